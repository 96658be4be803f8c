"""How the tests of bench/ run the benchmark binaries.

They are those of the build directory that OVERLAP_BUILD names (build/release by default).
"""

import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARIES = pathlib.Path(os.environ.get("OVERLAP_BUILD", ROOT / "build/release")) / "bench"
WORKLOADS = sorted(path.parent.name for path in ROOT.glob("bench/workloads/*/workload.cpp"))
# A case of each that takes no time: NAME.few.
FEW = "".join((ROOT / f"bench/workloads/{name}/few.toml").read_text() for name in WORKLOADS)
BRIEF = "[sleeps.brief]\ntasks = 1000\ndelay_s = 0.001\n"
LEAST_OF_A_THREAD = 4096  # A page of its stack.


def run(workload, *options, **settings):
    command = [BINARIES / f"bench_{workload}", *options]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, **settings
    )


def rows(workload, specification, *options, **settings):
    """The rows of a run, by name."""
    done = run(
        workload, f"--workloads={specification}", "--benchmark_format=json", *options, **settings
    )
    assert done.returncode == 0, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)["benchmarks"]}
