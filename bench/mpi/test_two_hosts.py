"""Ranks on two hosts: two network namespaces of this machine, each with a name of its own, and a cable
between them. It shows that all of it works over TCP and what that costs; more cores there are not."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest
from harness.binaries import BINARIES

from overlap.base.processes import nothing_left_behind
from overlap.peers.ranks import Host, launch, why_no_ranks

PROGRAM = BINARIES / "mpi_ranks"
pytestmark = pytest.mark.skipif(why_no_ranks(PROGRAM) != "", reason=why_no_ranks(PROGRAM))
ADDRESSES = ("10.77.0.1", "10.77.0.2")
NAMES = ("first-host", "second-host")
# What stands in for ssh: `agent HOST COMMAND...` runs the command on that host.
AGENT = """#!/bin/sh
case $1 in {addresses[1]}) host={pids[1]} ;; *) host={pids[0]} ;; esac
shift
exec nsenter --target $host --net --uts sh -c "$*"
"""


def do(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode != 0:
        pytest.skip(f"no namespaces here: {' '.join(words[:3])}: {done.stderr.strip()[:200]}")


def on(pid, *words):
    return ["nsenter", "--target", str(pid), "--net", "--uts", *words]


@pytest.fixture
def two_hosts():
    """The process ids of two that sleep, each on a host of its own."""
    for tool in ("unshare", "nsenter", "ip"):
        if not shutil.which(tool):
            pytest.skip(f"no namespaces here: {tool} is not installed")
    with nothing_left_behind():
        pids = []
        for name in NAMES:
            sleeper = ["unshare", "--net", "--uts", "sh", "-c", f"hostname {name}; exec sleep 600"]
            pids.append(subprocess.Popen(sleeper, stderr=subprocess.DEVNULL).pid)
        own = os.readlink("/proc/self/ns/net")
        patience = time.monotonic() + 10
        for pid in pids:
            comm = pathlib.Path(f"/proc/{pid}/comm")
            while comm.exists() and comm.read_text() != "sleep\n" and time.monotonic() < patience:
                time.sleep(0.01)
            try:
                if os.readlink(f"/proc/{pid}/ns/net") == own:
                    pytest.skip("no namespaces here: unshare was refused")
            except OSError:
                pytest.skip("no namespaces here: unshare was refused")
        ends = [("cable0", str(pids[0])), ("cable1", str(pids[1]))]
        do("ip", "link", "add", ends[0][0], "netns", ends[0][1], "type", "veth",
           "peer", "name", ends[1][0], "netns", ends[1][1])  # fmt: skip
        for pid, address, (cable, _) in zip(pids, ADDRESSES, ends, strict=True):
            do(*on(pid, "ip", "address", "add", f"{address}/24", "dev", cable))
            for device in (cable, "lo"):
                do(*on(pid, "ip", "link", "set", device, "up"))
        yield pids


def test_gather_and_sleeps_run_on_two_hosts_over_tcp(two_hosts):
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        agent = place / "agent"
        agent.write_text(AGENT.format(addresses=ADDRESSES, pids=two_hosts))
        agent.chmod(0o755)
        specification = place / "cases.toml"
        specification.write_text(
            "[gather.few]\nfan_out = 2000\nwork = 1000\nrepeat = 3\n"
            "[sleeps.few]\ntasks = 6\ndelay_s = 0.05\n"
        )
        hosts = [Host(address, 1) for address in ADDRESSES]
        options = ["--mca", "plm_rsh_agent", str(agent), "--mca", "pml", "ob1"]
        options += ["--mca", "btl", "tcp,self", "--mca", "osc", "pt2pt"]
        for program in ("mpi", "mpi+thread_pool"):
            words = [str(PROGRAM), "--workloads", str(specification)]
            told = {
                **{"name": program, "language": "C++", "model": "processes", "version": "two"},
                **{"command": launch(program, hosts, options, words, crowded=True), "folder": "."},
                **{"skip": "", "task_limit": 2, "cores": 2 * os.cpu_count(), "order": 0},
            }
            (place / f"{program}.json").write_text(json.dumps(told))
        option = f"--mpi={place}/mpi.json,{place}/mpi+thread_pool.json"
        for workload in ("gather", "sleeps"):
            command = on(two_hosts[0], BINARIES / f"bench_{workload}")
            done = subprocess.run(
                [*command, f"--workloads={specification}", option, "--benchmark_format=json",
                 "--backend=mpi,mpi+thread_pool"],
                capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            found = json.loads(done.stdout)["benchmarks"]
            assert len(found) == 2
            for row in found:
                assert row.get("verified") == 1, (row["name"], row.get("error_message"))
                assert row["peak_in_flight"] == 1, "of those on one host"
                if workload == "sleeps":
                    assert row["concurrency"] > 1, "both hosts had tasks at the same time"
        hello = subprocess.run(
            on(two_hosts[0], *launch("mpi", hosts, options, words, crowded=True)),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert "2 ranks on 2 hosts, busy-waits" in hello.stdout, hello.stderr
