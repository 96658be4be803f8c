"""For the tests: benchmark binaries that behave as they are told, well or badly.

Each is a small Python script that keeps the agreement between the binaries and scripts/run. How a
row behaves is the name of its case: see `BEHAVIOURS` in the script. Of a backend called slow a
sample takes long, or so it says.
"""

import json
import stat
import sys
from pathlib import Path

from overlap.measure.suite import WORKLOADS

SCRIPT = """#!{python} -S
import json, os, re, signal, subprocess, sys, time

WORKLOAD, ROWS, HERE = {workload!r}, {rows!r}, {here!r}
CALLS_PER_TASK = 2
options = dict(a[2:].split("=", 1) if "=" in a else (a[2:], "") for a in sys.argv[1:])

def tries_of(row):
    path = os.path.join(HERE, row.replace("/", "_") + ".tries")
    with open(path, "a") as file:
        file.write(json.dumps(options) + chr(10))
    with open(path) as file:
        return len(file.readlines())

def iterations():
    # As the specification has it; none where a test has written no such case.
    with open(options.get("workloads") or os.path.join(HERE, "workloads.toml")) as file:
        found = re.search("^iterations = ([0-9]+)$", file.read(), re.M)
    return int(found[1]) if found else 0

def answer(**fields):
    print(json.dumps({{"context": {{"host_name": "fake", "compiler": "g++ 12"}},
                       "benchmarks": [fields]}}))

def ok(row):
    for _ in range(iterations()):
        for _ in range(CALLS_PER_TASK * 1000):
            os.stat("/")
    counters = dict(wall_s=0.5, wall_per_task_s=0.0005, cpu_s=0.1, parallelism=0.2, cpu_per_task_s=1e-6, verified=1,
                    harness_share=0.0002, iterations=1, real_time=0.5, threads=1)
    if "floor" in row:
        counters["wall_s"] = 0.25
    counters["sample_s"] = 7.0 if row.endswith("/slow") else 0.6
    if options.get("trace") != "off":
        counters.update(concurrency=1000.0, peak_in_flight=1000)
    if options.get("memory") != "off":
        counters["bytes_per_task"] = 136.0
    if WORKLOAD != "gather":
        counters.update({{"late" + "ness_p50_s" if WORKLOAD == "sleeps" else "latency_p50_s": 6e-5}})
    answer(name=row, run_type="iteration", **counters)

def error(words):
    return lambda row: answer(name=row, error_occurred=True, error_message=words)

def crash(row):
    print("about to fall over", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)

def hang(row):
    child = subprocess.Popen(["sleep", "600"])
    with open(os.path.join(HERE, "hanging"), "w") as file:
        file.write(str(child.pid))
    time.sleep(600)

def usage(row):
    print("workloads.toml:3: delay: expected a number", file=sys.stderr)
    sys.exit(2)

def work(row):
    # As long as the test says, by row or by backend, and a little more every other time.
    with open(os.path.join(HERE, "walls.json")) as file:
        walls = json.load(file)
    wall = walls.get(row, walls.get(row.split("/")[-1]))
    if wall is None:
        return error("limit: 3 processes")(row)
    wall *= 1 + 0.002 * (tries_of(row) % 3)
    counters = dict(wall_s=wall, cpu_s=wall, cpu_per_task_s=wall / 1000, verified=1, sample_s=wall)
    if WORKLOAD == "echo":
        counters["latency_p99_s"] = wall
    if options.get("memory") != "off":
        counters.update(bytes_per_task=136.0, peak_memory_bytes=136e6 * wall)
    answer(name=row, run_type="iteration", **counters)

BEHAVIOURS = {{
    "work": work,
    "ok": ok,
    "limit": error("limit: 20,000 descriptors"),
    "wrong": error("wrong: checksum 1 instead of 2"),
    "flaky": lambda row: crash(row) if tries_of(row) == 1 else ok(row),
    "broken": lambda row: (tries_of(row), crash(row)),
    "hang": hang,
    "garbage": lambda row: (tries_of(row), print("{{not json")),
    "unverified": lambda row: answer(name=row, wall_s=1.0),
    "nan": lambda row: answer(name=row, wall_s=float("nan"), verified=1),
    "silent": lambda row: print(json.dumps({{"context": {{}}, "benchmarks": []}})),
    "failed": lambda row: (error("limit: 3 processes")(row), sys.exit(1)),
    "usage": usage,
    "gated": lambda row: answer(name=row, wall_s=1.0, cpu_s=0.1, verified=1,
                                label="generator late: p99 of sending is 90 us; generator-bound: busy"),
    "count": lambda row: (tries_of(row), ok(row)),
}}

if "list_rows" in options:
    if options.get("loop") == "nonsense":
        print("unknown loop nonsense; known: uring, epoll, poll", file=sys.stderr)
        sys.exit(2)
    specification = options.get("workloads") or os.path.join(HERE, "workloads.toml")
    print(json.dumps(dict(workload=WORKLOAD, specification=specification, rows=ROWS)))
else:
    row = re.sub(r"\\\\\\\\(.)", r"\\\\1", options["benchmark_filter"][1:-1])
    BEHAVIOURS[row.split("/")[1].split("_")[0]](row)
"""


class FakeSuite:
    """A build directory with such binaries. `rows` are names, or (name, skip) pairs."""

    def __init__(self, directory: Path, rows: list[str | tuple[str, str]]) -> None:
        self.directory = directory
        (directory / "bench").mkdir(parents=True)
        (directory / "workloads.toml").write_text("# some workloads\n")
        for workload in WORKLOADS:
            self._write(
                workload, [self._row(row) for row in rows if self._name(row).startswith(workload)]
            )

    @staticmethod
    def _name(row: str | tuple[str, str]) -> str:
        return row if isinstance(row, str) else row[0]

    def _row(self, row: str | tuple[str, str]) -> dict[str, object]:
        workload, case, backend = self._name(row).split("/")
        return {
            "row": self._name(row),
            "workload": workload,
            "case": case,
            "backend": backend,
            "tasks": 1000,
            "unit": "message" if workload == "echo" else "task",
            "expected_s": 0.05,
            "skip": "" if isinstance(row, str) else row[1],
        }

    def _write(self, workload: str, rows: list[dict[str, object]]) -> None:
        binary = self.directory / "bench" / f"bench_{workload}"
        here = str(self.directory)
        binary.write_text(
            SCRIPT.format(python=sys.executable, workload=workload, rows=rows, here=here)
        )
        binary.chmod(binary.stat().st_mode | stat.S_IXUSR)

    def options_of(self, row: str) -> list[dict[str, str]]:
        """The command-line options of each time that a row which counts them was run."""
        path = self.directory / (row.replace("/", "_") + ".tries")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
