"""Loops that `--loop=./libmy.so` names: beside the built-in rows, and unable to spoil them."""

import os
import pathlib

import pytest
from harness.binaries import BINARIES, rows, run

PLUGINS = BINARIES.parent / "runtimes/plugin/testing"
SOUND = PLUGINS / "sound.so"


@pytest.mark.parametrize("workload", ["sleeps", "gather", "echo"])
def test_a_plugged_loop_has_rows_beside_the_built_in_ones(small, workload):
    found = rows(workload, small, f"--loop={SOUND}", "--benchmark_filter=few/(coroutine|fiber)")
    assert len(found) == 8
    assert found[f"{workload}/few/coroutine:epoll"]["verified"] == 1
    assert found[f"{workload}/few/coroutine:sound"]["verified"] == 1
    assert found[f"{workload}/few/fiber:sound"]["verified"] == 1


def test_a_plugged_loop_runs_on_several_cores_too(small):
    names = ["sharded_coroutine:sound", "sharded_fiber:sound", "stealing_coroutine:sound"]
    for workload in ("gather", "echo"):
        found = rows(workload, small, f"--loop={SOUND}", f"--backend={','.join(names)}")
        assert {name.rpartition("/")[2] for name in found} == set(names)
        for name, row in found.items():
            assert row.get("verified") == 1, (name, row.get("error_message"))


def test_names_of_loops_leave_plugged_ones_in(small):
    found = rows(
        "sleeps", small, "--loop=epoll", f"--loop={SOUND}", "--benchmark_filter=/(coroutine|fiber)"
    )
    assert [name.rpartition(":")[2] for name in found] == ["epoll", "epoll", "sound", "sound"]


def test_a_backend_on_a_plugged_loop_can_be_chosen_alone(small):
    found = rows("gather", small, f"--loop={SOUND}", "--backend=fiber:sound")
    assert list(found) == ["gather/few/fiber:sound", "gather/tree/fiber:sound"]


@pytest.mark.parametrize(
    "plugin, words",
    [
        ("no_plugin", "is no plug-in: it exports no function overlap_loop"),
        ("wrong_version", "its table has version 2, this program needs 1"),
        ("short_table", "its table has 88 bytes, expected 104"),
        ("missing_function", "its table has no function create"),
        ("wrong_name", "its name is 'poll/2', expected letters"),
        ("crash_on_load", "the process was killed by signal 6"),
        ("not_available", "not available: needs a kernel from next year"),
        ("cannot_be_made", "failed: out of luck"),
        ("throws_in_run", "failed: the dog ate the descriptor"),
        ("never_returns", "timeout: not done after 1 s"),
    ],
)
def test_a_bad_plugin_spoils_its_own_rows_only(small, plugin, words):
    found = rows(
        "gather", small, f"--loop=epoll,{PLUGINS / plugin}.so", "--row_timeout=1",
        "--benchmark_filter=few/coroutine",
    )  # fmt: skip
    assert len(found) == 2
    assert found["gather/few/coroutine:epoll"]["verified"] == 1
    assert words in found[f"gather/few/coroutine:{plugin}"]["error_message"]


def test_primitives_have_rows_for_a_plugged_loop_too():
    found = rows(
        "primitives", "ignored", f"--loop={SOUND},{PLUGINS / 'crash_on_load.so'}",
        "--benchmark_filter=post_run",
    )  # fmt: skip
    assert found["primitives/post_run/epoll"]["real_time"] > 0
    assert found["primitives/post_run/epoll_table"]["real_time"] > 0
    assert found["primitives/post_run/sound"]["real_time"] > 0
    assert "signal 6" in found["primitives/post_run/crash_on_load"]["error_message"]


def test_a_file_that_is_not_there_is_one_line():
    done = run("gather", "--loop=./libmy.so")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "--loop=./libmy.so: no such plug-in" in done.stderr


def test_a_name_that_is_taken_spoils_the_later_plugin_only(small, tmp_path):
    os.symlink(SOUND, tmp_path / "other.so")
    found = rows(
        "gather", small, f"--loop=epoll,{SOUND},{tmp_path / 'other.so'}",
        "--benchmark_filter=few/coroutine",
    )  # fmt: skip
    assert found["gather/few/coroutine:sound"]["verified"] == 1
    words = found["gather/few/coroutine:other"]["error_message"]
    assert "other.so: its loop is called 'sound', as another one is" in words


def test_one_file_given_twice_is_one_line():
    done = run("gather", f"--loop={SOUND}", f"--loop={SOUND}")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "another loop is called sound; is it given twice?" in done.stderr


def test_a_file_without_a_slash_gets_a_hint():
    done = run("gather", "--loop=sound.so", cwd=pathlib.Path(PLUGINS))
    assert done.returncode == 2
    assert "a file needs a slash: --loop=./sound.so" in done.stderr


def test_a_relative_path_is_relative_to_where_the_program_was_started(small):
    found = rows(
        "gather", small, "--loop=./sound.so", "--backend=coroutine:sound",
        "--benchmark_filter=few", cwd=pathlib.Path(PLUGINS),
    )  # fmt: skip
    assert found["gather/few/coroutine:sound"]["verified"] == 1
