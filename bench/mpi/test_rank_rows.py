"""Rows on ranks of MPI, started as scripts/run --mpi starts them."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest
from harness.binaries import BINARIES, FEW, rows

from overlap.peers.hello import Unusable
from overlap.peers.ranks import RUNTIMES, ask_ranks, launch, prepare_ranks, read_hosts, why_no_ranks
from overlap.peers.ranks import written_down

PROGRAM = BINARIES / "mpi_ranks"
pytestmark = pytest.mark.skipif(why_no_ranks(PROGRAM) != "", reason=why_no_ranks(PROGRAM))


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(FEW + "[gather.tree]\nfan_out = 3\ndepth = 3\n")
    return path


def started(specification, hosts="local:2", options=""):
    """The option that gives a binary the ranks."""
    folder = specification.parent / "ranks"
    prepare_ranks(hosts, options, folder, PROGRAM, specification, os.cpu_count())
    return "--mpi=" + ",".join(str(written_down(folder, name)) for name in RUNTIMES)


@pytest.mark.parametrize("workload", ["sleeps", "gather", "mix", "heartbeat"])
def test_ranks_do_every_workload_but_echo(small, workload):
    found = rows(workload, small, started(small), "--backend=" + ",".join(RUNTIMES))
    assert len(found) == (4 if workload == "gather" else 2)
    for name, row in found.items():
        assert row.get("verified") == 1, (name, row.get("error_message"))
        assert row["startup_s"] > 0 and row["peak_memory_bytes"] > 1e6
        assert row["later_runs"] == (1 if workload == "gather" else 0) and row["cold_wall_s"] > 0
        assert 0 <= row["useful_parallelism"] <= row["parallelism"] * 1.05 + 0.05
        inner = 12 if name.startswith("gather/tree") else 2
        assert 1 <= row["peak_in_flight"] <= 2 + inner


def test_echo_is_no_workload_of_ranks(small):
    found = rows("echo", small, started(small), "--backend=mpi")
    assert found["echo/few/mpi"]["error_message"].startswith("no workload")


def test_what_ranks_are_stands_with_the_row(small):
    command = [BINARIES / "bench_gather", f"--workloads={small}", started(small, "local:9")]
    listed = subprocess.run(
        [*command, "--list_rows", "--backend=mpi"], capture_output=True, check=True, timeout=60
    )
    version = json.loads(listed.stdout)["rows"][0]["version"]
    assert "9 ranks on 1 host, busy-waits" in version
    assert ("oversubscribed" in version) == (len(os.sched_getaffinity(0)) < 9)


def test_cases_that_are_held_to_cores_have_no_ranks(small):
    small.write_text(small.read_text() + "[gather.one]\nfan_out = 3\ncores = 1\n")
    found = rows("gather", small, started(small), "--backend=mpi", "--benchmark_filter=/one/")
    assert found["gather/one/mpi"]["error_message"].startswith(
        "not available: ranks have the cores"
    )


def ranks_of(pid):
    """The process ids of all ranks that a process has started."""
    found, left = [], [pid]
    while left:
        process = left.pop()
        try:
            if pathlib.Path(f"/proc/{process}/comm").read_text() == "mpi_ranks\n":
                found.append(process)
            for children in pathlib.Path(f"/proc/{process}/task").glob("*/children"):
                left += map(int, children.read_text().split())
        except OSError:  # It has ended.
            pass
    return found


def test_a_rank_that_is_killed_is_named_and_the_next_row_is_measured(tmp_path):
    specification = tmp_path / "cases.toml"
    specification.write_text(
        "[sleeps.long]\ntasks = 40\ndelay_s = 1\n[sleeps.short]\ntasks = 4\ndelay_s = 0.01\n"
    )
    command = [
        *(BINARIES / "bench_sleeps", f"--workloads={specification}", started(specification)),
        *("--backend=mpi", "--benchmark_format=json"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        patience = time.monotonic() + 60
        ranks = []
        while len(ranks) < 2 and time.monotonic() < patience:
            ranks = ranks_of(process.pid)
            time.sleep(0.01)
        time.sleep(1)  # They are at their tasks.
        os.kill(ranks[-1], signal.SIGKILL)
        output, _ = process.communicate(timeout=60)
    found = {row["name"]: row for row in json.loads(output)["benchmarks"]}
    message = found["sleeps/long/mpi"]["error_message"]
    assert "noticed that process rank" in message and "signal 9 (Killed)" in message
    assert "\n" not in message
    assert found["sleeps/short/mpi"]["verified"] == 1
    assert not any(pathlib.Path(f"/proc/{rank}").exists() for rank in ranks)


def two_unlike_ranks(small, second):
    """The command for two ranks, of which the second is started by `second`, in words of mpirun."""
    words = launch("mpi", read_hosts("local:2", 2), [], [str(PROGRAM)], crowded=True)
    words[words.index("-n") + 1] = "1"
    own = ["--workloads", str(small)]
    at = words.index("--runtime")
    return [*words[:at], *own, *words[at:], ":", "-n", "1", *second, "--ranks", "2"]


def why_refused(command):
    with pytest.raises(Unusable) as refused:
        ask_ranks(command)
    return str(refused.value)


def test_ranks_of_different_builds_do_not_work_together(small, tmp_path):
    other = tmp_path / "mpi_ranks"
    shutil.copy(PROGRAM, other)
    with other.open("ab") as file:
        file.write(b"\0")
    command = two_unlike_ranks(small, [str(other), "--workloads", str(small)])
    words = why_refused(command)
    assert words.startswith("rank 1 on ") and "runs another build than rank 0 on" in words


def test_ranks_with_different_specifications_do_not_work_together(small, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(small.read_text() + "\n")
    words = why_refused(two_unlike_ranks(small, [str(PROGRAM), "--workloads", str(other)]))
    assert "rank 1 on " in words and "has another specification than rank 0 on" in words


def test_ranks_of_another_launcher_say_so(small):
    words = why_refused([str(PROGRAM), "--workloads", str(small), "--ranks", "2"])
    assert words.startswith("this is one of 1 ranks and not of 2: does the launcher belong to ")
