import json
import os

import pytest

from overlap.base.exits import UsageError
from overlap.peers import ranks
from overlap.peers.ranks import Host, launch, prepare_ranks, read_hosts, words_of_launcher


def test_hosts_are_this_machine_a_list_or_a_file(tmp_path):
    assert read_hosts("local", 4) == [Host("", 4)]
    assert read_hosts("local:3", 4) == [Host("", 3)]
    assert read_hosts("one:8, two.example.org", 4) == [Host("one", 8), Host("two.example.org", 1)]
    file = tmp_path / "hosts"
    file.write_text("# the rack\none slots=8\n\ntwo:4\nthree  # small\n", encoding="utf-8")
    assert read_hosts(str(file), 4) == [Host("one", 8), Host("two", 4), Host("three", 1)]


@pytest.mark.parametrize(
    "text, words",
    [
        ("one two", "'one two' is no host"),
        ("local:0", "0 ranks; expected a number from 1"),
        ("local:" + "9" * 400, "ranks; expected a number from 1"),
        ("local,one:2", "local stands alone"),
        ("", "'' is no host"),
        ("./no-such-file", "No such file or directory; expected a file with a host a line"),
    ],
)
def test_hosts_that_are_none_are_refused_in_one_line(text, words):
    with pytest.raises(UsageError) as refused:
        read_hosts(text, 2)
    assert words in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text, words",
    [("", "no host in it"), ("one two", "hosts:1: 'one two' is no host"), ("\xff", "not a text")],
)
def test_files_of_hosts_are_refused_with_their_line(tmp_path, text, words):
    file = tmp_path / "hosts"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=words):
        read_hosts(str(file), 2)


def test_a_rank_a_core_or_a_rank_a_host_with_a_pool():
    hosts = [Host("one", 8), Host("two", 4)]
    words = launch("mpi", hosts, ["--mca", "btl", "tcp,self"], ["./ranks"], crowded=False)
    text = " ".join(words)
    assert "mpirun -n 12 --bind-to none --host one:8,two:4 --mca btl tcp,self ./ranks" in text
    pool = " ".join(launch("mpi+thread_pool", hosts, [], ["./ranks"], crowded=False))
    assert "-n 2" in pool and "--map-by ppr:1:node" in pool and pool.endswith("--workers 8,4")


def test_more_ranks_than_cores_yield_and_root_may_start_them(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    words = launch("mpi", [Host("", 9)], [], ["./ranks"], crowded=True)
    assert words[0] == "env" and "OMPI_MCA_mpi_yield_when_idle=1" in words
    assert {"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"} <= set(words)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert launch("mpi", [Host("", 2)], [], ["./ranks"], crowded=False)[0] == "mpirun"


def test_what_a_launcher_says_is_read_without_its_frame():
    framed = "-----\nThere are not enough slots available in the\nsystem.\n\nEither ask for less.\n"
    assert words_of_launcher(framed) == "There are not enough slots available in the system."
    unknown = "ssh: Could not resolve hostname x: Name or service not known\r\nORTE was unable\n"
    assert words_of_launcher(unknown).startswith("ssh: Could not resolve hostname x")
    assert words_of_launcher("") == "" and "not known" in words_of_launcher(unknown)


def make_launcher(folder, monkeypatch, text):
    """A program that stands in for mpirun."""
    launcher = folder / "mpirun"
    launcher.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    launcher.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    program = folder / "ranks"
    program.touch()
    return program


HELLO = '{"hello": {"version": "MPI 1", "task_limit": 2, "cores": 2, "oversubscribed": false}}'


def test_ranks_are_written_down_as_they_say(tmp_path, monkeypatch):
    program = make_launcher(tmp_path, monkeypatch, f"echo '{HELLO}'")
    made = prepare_ranks("local:2", "", tmp_path / "made", program, tmp_path / "w.toml", 2)
    assert set(made) == set(ranks.RUNTIMES)
    told = json.loads((tmp_path / "made" / "mpi.json").read_text(encoding="utf-8"))
    assert (told["version"], told["task_limit"], told["skip"]) == ("MPI 1", 2, "")


def test_ranks_that_cannot_work_together_end_the_run(tmp_path, monkeypatch):
    for text, words in (
        ('echo \'{"error": "rank 1 on b runs another build than rank 0 on a"}\'', "another build"),
        ("echo 'ssh: no route' >&2; exit 1", "ssh: no route"),
        ("exit 3", "mpirun ended with 3"),
        ("echo hello", "mpirun ended with 0"),
    ):
        program = make_launcher(tmp_path, monkeypatch, text)
        with pytest.raises(UsageError, match=f"--mpi local:2: .*{words}"):
            prepare_ranks("local:2", "", tmp_path / "made", program, tmp_path / "w.toml", 2)


def test_what_is_missing_is_named_in_the_rows(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    prepare_ranks("local", "", tmp_path / "made", tmp_path / "ranks", tmp_path / "w.toml", 2)
    told = json.loads((tmp_path / "made" / "mpi.json").read_text(encoding="utf-8"))
    assert told["skip"] == "skipped: needs libopenmpi-dev, openmpi-bin"
