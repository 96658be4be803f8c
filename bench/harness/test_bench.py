"""The benchmark binaries as their users meet them: rows, receipts, options, and what goes wrong."""

import contextlib
import ctypes
import json
import os
import pathlib
import platform
import signal
import struct
import subprocess
import time

import pytest
from harness.binaries import BINARIES, BRIEF, LEAST_OF_A_THREAD, WORKLOADS, rows, run

BACKENDS = [
    "sequential", "coroutine:uring", "coroutine:epoll", "coroutine:poll", "fiber:uring",
    "fiber:epoll", "fiber:poll", "sharded_coroutine:uring", "sharded_coroutine:epoll",
    "stealing_coroutine:uring", "stealing_coroutine:epoll", "sharded_fiber:uring", "sharded_fiber:epoll",
    "thread_pool", "thread_per_task", "process_pool", "process_per_task",
]  # fmt: skip


FLOORS = {
    "sleeps": ["floor"],
    "gather": ["floor"],
    "echo": ["floor:uring", "floor:epoll"],
    "serve": [],
    "heartbeat": [],
    "mix": [],
    "cancel": [],
    "fetch": ["floor:epoll"],
    "query": ["floor:epoll"],
}


WITHOUT_A_ROW = ("not available: ", "no workload: ", "limit: ")


@pytest.mark.parametrize("workload", WORKLOADS)
def test_every_backend_does_every_workload(small, workload):
    found = rows(workload, small, "--benchmark_filter=few")
    floors = [name.split("/")[2] for name in found if "/floor" in name]
    assert floors == FLOORS.get(workload, floors)
    assert list(found) == [f"{workload}/few/{name}" for name in floors + BACKENDS]
    for name, row in found.items():
        if str(row.get("error_message", "")).startswith(WITHOUT_A_ROW):
            continue
        assert row.get("verified") == 1, (name, row.get("error_message"))
        assert row["wall_s"] > 0
        assert row["cpu_s"] == pytest.approx(row["user_s"] + row["system_s"], abs=1e-6)
        # The load's clock is not the one over which CPU time was counted.
        if workload in ("echo", "serve"):
            assert 0 < row["parallelism"] <= os.cpu_count()
        else:
            assert row["parallelism"] == pytest.approx(row["cpu_s"] / row["wall_s"], rel=1e-3)
        if "floor" not in name:
            assert 0 < row["peak_in_flight"] <= 20
            assert row["concurrency"] <= row["peak_in_flight"] * 1.0001


def test_concurrency_is_what_the_models_promise(small):
    found = rows("sleeps", small)
    peak = {name.split("/")[2]: row.get("peak_in_flight") for name, row in found.items()}
    for name in ["coroutine:epoll", "fiber:epoll", "thread_per_task", "process_per_task"]:
        assert peak[name] == 4, name
    assert peak["sequential"] == 1
    assert peak["thread_pool"] == min(4, len(os.sched_getaffinity(0)))
    assert found["sleeps/few/sequential"]["wall_s"] >= 0.24, "four sleeps of 60 ms, in turn"


def test_memory_of_a_task_is_had_where_starting_all_takes_longer_than_they_sleep(tmp_path):
    brief = tmp_path / "brief.toml"
    brief.write_text(BRIEF)
    row = rows("sleeps", brief, "--backend=thread_per_task")["sleeps/brief/thread_per_task"]
    assert row["peak_in_flight"] < 1000, "otherwise this shows nothing"
    assert row["wall_s"] < 1, "what is measured is not stretched"
    assert LEAST_OF_A_THREAD < row["bytes_per_task"] < 10 * LEAST_OF_A_THREAD
    assert row["peak_memory_bytes"] > 1000 * row["bytes_per_task"]


RUNS = """
[sleeps.once]
tasks = 3
delay_s = 0.002
[sleeps.thrice]
tasks = 3
delay_s = 0.002
iterations = 3
[sleeps.yields]
tasks = 3
delay_s = 0
iterations = 3
[gather.many]
fan_out = 1000
repeat = 10
iterations = 2
[echo.brief]
connections = 2
messages = 1
bytes = 64
[echo.long]
connections = 2
messages = 20
bytes = 64
"""


def test_the_first_run_of_a_case_in_its_process_is_told_apart(tmp_path):
    specification = tmp_path / "runs.toml"
    specification.write_text(RUNS)
    backends = "--backend=floor,coroutine:epoll,process_pool"
    for name, row in rows("sleeps", specification, backends).items():
        case = name.split("/")[1]
        # The warm-up of sleeps does not sleep; that of tasks that do not sleep is a run like any other.
        assert row["later_runs"] == {"once": 0, "thrice": 2, "yields": 3}[case], name
        assert row["iterations"] == max(row["later_runs"], 1)
        assert row["cold_wall_s"] >= (0 if case == "yields" else 0.002)
        assert row["cold_cpu_per_task_s"] >= 0
        if case == "once":
            assert row["cold_wall_s"] == row["wall_s"]
    for name, row in rows("gather", specification, backends).items():
        assert row["later_runs"] == 2 and row["cold_wall_s"] > 0, name
    for name, row in rows("echo", specification, backends).items():
        if not str(row.get("error_message")).startswith(WITHOUT_A_ROW):
            assert row["later_runs"] == (1 if "brief" in name else 0), name


def test_tasks_that_end_before_others_begin_have_a_peak_and_no_memory_a_task(tmp_path):
    specification = tmp_path / "many.toml"
    specification.write_text("[gather.many]\nfan_out = 1000\n")
    row = rows("gather", specification, "--backend=thread_per_task")["gather/many/thread_per_task"]
    assert row["peak_in_flight"] < 1000, "otherwise this shows nothing"
    assert row["peak_memory_bytes"] > 0 and "bytes_per_task" not in row


def test_trees_have_the_values_of_the_oracle(small):
    found = rows("gather", small, "--benchmark_filter=tree")
    assert len(found) == len(BACKENDS) + 1
    assert all(row.get("verified") == 1 or "error_message" in row for row in found.values())
    assert found["gather/tree/coroutine:epoll"]["peak_in_flight"] == 3 + 9 + 27


def test_google_benchmarks_options_work(small, tmp_path):
    out = tmp_path / "out.json"
    found = run(
        "gather",
        f"--workloads={small}",
        "--benchmark_filter=^gather/few/(floor|sequential)$",
        "--benchmark_repetitions=3",
        "--benchmark_enable_random_interleaving=true",
        f"--benchmark_out={out}",
    )
    assert found.returncode == 0, found.stderr
    assert "gather/few/sequential_median" in found.stdout
    written = json.loads(out.read_text())
    assert {row["run_name"] for row in written["benchmarks"]} == {
        "gather/few/floor",
        "gather/few/sequential",
    }
    assert len(written["context"]["specification_hash"]) == 16
    listed = run("gather", f"--workloads={small}", "--benchmark_list_tests").stdout.split()
    assert listed[0] == "gather/few/floor" and len(listed) == 2 * (len(BACKENDS) + 1)
    negated = run(
        "gather", f"--workloads={small}", "--benchmark_filter=-tree", "--benchmark_list_tests"
    )
    assert "gather/tree" not in negated.stdout and "gather/few" in negated.stdout


def test_loops_and_backends_can_be_picked(small):
    done = run("gather", f"--workloads={small}", "--loop=poll", "--benchmark_list_tests")
    assert "coroutine:poll" in done.stdout and "coroutine:epoll" not in done.stdout
    done = run(
        "gather", f"--workloads={small}", "--backend=floor,sequential", "--benchmark_list_tests"
    )
    assert done.stdout.split() == [
        f"gather/{case}/{name}" for case in ["few", "tree"] for name in ["floor", "sequential"]
    ]


@pytest.mark.parametrize(
    "options, words",
    [
        (
            ["--loop=kqueue"],
            "unknown loop 'kqueue'; known backends: floor (in echo floor:uring and floor:epoll",
        ),
        (["--backend=goroutine"], "unknown backend 'goroutine'; known backends"),
        (["--no_such_option"], "unknown option --no_such_option"),
        (["--benchmark_filter=("], "expected a regular expression"),
        (["--benchmark_filter=nothing_is_called_this"], "no row matches"),
        (["--row_timeout=-1"], "--row_timeout"),
        (["--workloads=/nonexistent.toml"], "/nonexistent.toml: cannot be read"),
    ],
)
def test_a_bad_command_line_is_one_line_and_status_2(options, words):
    done = run("gather", *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    "text, words",
    [
        ("[sleeps.a]\ntasks = 0\ndelay_s = 1\n", "2: [sleeps.a] tasks = 0: expected"),
        ("[sleeps.a]\ntasks = 5\ndelay_s = -3\n", "3: [sleeps.a] delay_s = -3: expected"),
        ("[sleeps.a]\ntasks = 5\ndelay_s = 3\nwait = 1\n", "4: [sleeps.a] wait = 1: expected"),
        ("[echo.a]\nconnections = 1000000000000\nmessages = 1\nbytes = 1\n", "2: [echo.a]"),
        ("[sleeps.a\n", "1: "),
    ],
)
def test_a_bad_workload_file_is_one_line_and_status_2(tmp_path, text, words):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    done = run("sleeps", f"--workloads={path}")
    assert done.returncode == 2
    assert f"{path}:{words}" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_what_cannot_be_done_is_said_before(tmp_path):
    path = tmp_path / "large.toml"
    path.write_text("[sleeps.large]\ntasks = 1_000_000\ndelay_s = 1\n")
    listed = json.loads(run("sleeps", f"--workloads={path}", "--list_rows").stdout)
    skip = {row["backend"]: row["skip"] for row in listed["rows"]}
    assert skip["coroutine:epoll"] == ""
    assert skip["sequential"] == "would take 1000000 s"
    assert skip["thread_per_task"].startswith("limit: at most ")
    assert skip["process_per_task"].startswith("limit: at most ")


def test_delays_that_are_drawn_need_not_reach_their_bound(tmp_path):
    path = tmp_path / "uniform.toml"
    path.write_text("[sleeps.u]\ntasks = 2\ndelay_s = { min = 0.0, max = 0.2, seed = 4 }\n")
    found = rows("sleeps", path, "--backend=floor,coroutine:epoll,thread_per_task")
    assert all(row.get("verified") == 1 for row in found.values()), found


def test_a_case_for_more_cores_than_there_are_is_a_limit(tmp_path):
    path = tmp_path / "cores.toml"
    path.write_text("[gather.wide]\nfan_out = 4\ncores = 4096\n")
    found = rows("gather", path, "--backend=floor,sequential")
    for row in found.values():
        assert row["error_message"].startswith("limit: needs 4096 cores, has ")


def test_an_echo_row_that_takes_too_long_is_a_timeout(tmp_path):
    path = tmp_path / "long.toml"
    path.write_text("[echo.long]\nconnections = 2\nmessages = 5_000_000\nbytes = 64\n")
    found = rows("echo", path, "--backend=coroutine:epoll", "--row_timeout=0.5")
    assert found["echo/long/coroutine:epoll"]["error_message"] == "timeout: not done after 0.5 s"


def test_a_row_that_takes_too_long_is_a_timeout(tmp_path):
    path = tmp_path / "long.toml"
    path.write_text("[sleeps.long]\ndelays_s = [20]\n[sleeps.short]\ndelays_s = [0.01]\n")
    found = rows("sleeps", path, "--backend=coroutine:epoll", "--row_timeout=0.3")
    assert found["sleeps/long/coroutine:epoll"]["error_message"] == (
        "timeout: not done after 0.3 s"
    )
    assert found["sleeps/short/coroutine:epoll"]["verified"] == 1


def test_a_killed_worker_spoils_its_row_alone(tmp_path):
    path = tmp_path / "kill.toml"
    path.write_text("[sleeps.a]\ndelays_s = [1.5, 1.5]\n[sleeps.b]\ndelays_s = [0.01]\n")
    command = [BINARIES / "bench_sleeps", f"--workloads={path}", "--backend=process_pool"]
    with subprocess.Popen(
        [*command, "--benchmark_format=json"], stdout=subprocess.PIPE, text=True
    ) as process:
        worker = wait_for(lambda: sleeping_worker(process.pid))
        os.kill(worker, signal.SIGKILL)
        output = process.communicate(timeout=60)[0]
    found = {row["name"]: row for row in json.loads(output)["benchmarks"]}
    words = found["sleeps/a/process_pool"]["error_message"]
    assert f"process {worker}" in words and "killed by signal 9" in words
    assert found["sleeps/b/process_pool"]["verified"] == 1


def children(pid):
    with contextlib.suppress(OSError):
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in text.split()]
    return []


def sleeping_worker(pid):
    """A worker that holds a task: a grandchild in clock_nanosleep (230)."""
    for child in children(pid):
        for grandchild in children(child):
            with contextlib.suppress(OSError):
                call = pathlib.Path(f"/proc/{grandchild}/syscall").read_text()
                if call.startswith("230 "):
                    return grandchild
    return None


def wait_for(condition, patience_s=30):
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError("did not happen")


def test_nothing_is_left_when_the_binary_is_killed(tmp_path):
    path = tmp_path / "long.toml"
    path.write_text("[sleeps.long]\ndelays_s = [60, 60]\n")
    command = [BINARIES / "bench_sleeps", f"--workloads={path}", "--backend=process_per_task"]
    with subprocess.Popen([*command, "--budget=100"], stdout=subprocess.DEVNULL) as process:
        worker = wait_for(lambda: sleeping_worker(process.pid))
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
    wait_for(lambda: is_gone(worker))


def is_gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the filter names x86-64 calls")
def test_a_kernel_without_io_uring_is_said_in_words(small):
    found = rows("gather", small, "--benchmark_filter=few", preexec_fn=refuse_io_uring)
    words = found["gather/few/coroutine:uring"]["error_message"]
    assert words.startswith("not available: io_uring_setup: Function not implemented")
    assert found["gather/few/coroutine:epoll"]["verified"] == 1
    echo = rows("echo", small, "--backend=floor", preexec_fn=refuse_io_uring)
    assert echo["echo/few/floor:uring"]["error_message"].startswith("not available: ")
    assert echo["echo/few/floor:epoll"]["verified"] == 1


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the filter names x86-64 calls")
@pytest.mark.parametrize("workload", ["sleeps", "gather", "echo"])
def test_epoll_waits_in_whole_milliseconds_where_it_cannot_do_better(small, workload):
    found = rows(workload, small, "--backend=coroutine:epoll", preexec_fn=refuse_epoll_pwait2)
    assert found
    for row in found.values():
        assert row["verified"] == 1, row
        assert workload != "sleeps" or row["wall_s"] < 0.06 or row["cpu_s"] < row["wall_s"] / 2


def refuse_io_uring():
    refuse(425)


def refuse_epoll_pwait2():
    refuse(441)


def refuse(number):
    """Installs a seccomp filter (seccomp(2)) that answers this system call with ENOSYS."""
    load_number, jump_if_equal, answer = 0x20, 0x15, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000 | 38
    program = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in [
            (load_number, 0, 0, 0),
            (jump_if_equal, 0, 1, number),
            (answer, 0, 0, refuse),
            (answer, 0, 0, allow),
        ]
    )
    code = ctypes.create_string_buffer(program, len(program))

    class Filter(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]

    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_seccomp, filter_mode = 38, 22, 2
    assert libc.prctl(no_new_privileges, 1, 0, 0, 0) == 0
    built = Filter(4, ctypes.addressof(code))
    assert libc.prctl(set_seccomp, filter_mode, ctypes.byref(built)) == 0


def test_help_explains_the_two_counters():
    done = run("sleeps", "--help")
    assert done.returncode == 0
    for words in ["concurrency  (C)", "parallelism  (P)", "--loop", "--benchmark_filter"]:
        assert words in done.stdout
