import subprocess

import pytest

from overlap.base import building, machine


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A tree with a preset whose build takes no time."""
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(tiny LANGUAGES NONE)\n"
        "add_custom_target(told ALL COMMAND ${CMAKE_COMMAND} -E echo built ${CMAKE_SOURCE_DIR})\n"
    )
    (tmp_path / "CMakePresets.json").write_text(
        '{"version": 6, "configurePresets": [{"name": "release", "generator": "Ninja", '
        '"binaryDir": "${sourceDir}/build/release"}]}'
    )
    monkeypatch.setattr(building, "ROOT", tmp_path)
    return tmp_path


def test_a_build_folder_that_was_copied_from_another_tree_is_made_anew(tree):
    directory, log = tree / "build" / "release", tree / "build" / "log"
    building.build("release", [], log)
    cache = directory / "CMakeCache.txt"
    cache.write_text(cache.read_text().replace(str(tree), "/somewhere/else"))
    building.build("release", [], log)
    assert f"built {tree}" in log.read_text()
    assert "/somewhere/else" not in cache.read_text()


def test_a_build_folder_of_this_tree_is_kept(tree):
    directory, log = tree / "build" / "release", tree / "build" / "log"
    building.build("release", [], log)
    (directory / "mark").touch()
    building.build("release", [], log)
    assert (directory / "mark").exists()


def test_two_builds_take_turns(tree):
    log = tree / "build" / "log"
    (tree / "build").mkdir()
    holder = subprocess.Popen(
        ["flock", tree / "build" / "lock", "sh", "-c", "echo held; sleep 1; touch done"],
        cwd=tree,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout.readline() == b"held\n"
        building.build("release", [], log)
        assert (tree / "done").exists()


def test_a_tree_without_a_repository_of_its_own_has_no_commit(tmp_path, monkeypatch):
    identity = ["-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    command = ["git", *identity, "commit", "-q", "--allow-empty", "-m", "foreign"]
    subprocess.run(command, cwd=tmp_path, check=True)
    (tmp_path / "inside").mkdir()
    monkeypatch.setattr(machine, "ROOT", tmp_path / "inside")
    assert machine.describe_suite() == {"commit": "", "modified": False}
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    assert len(machine.describe_suite()["commit"]) == 40
