"""Servers answer what the workloads expect, and leave nothing behind, however their run ends."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from overlap.base.machine import ROOT
from overlap.servers import nginx, postgresql
from overlap.servers.items import document, splitmix64
from overlap.servers.server import Server, StartError, start_on_chosen_port

needs_nginx = pytest.mark.skipif(nginx.missing() != "", reason=f"needs {nginx.PACKAGES}")
needs_postgresql = pytest.mark.skipif(
    postgresql.missing() != "", reason=f"needs {postgresql.PACKAGE}"
)
# Where tests of all kinds find their data made.
FOLDER = Path(os.environ.get("OVERLAP_BUILD", ROOT / "build" / "release")) / "servers"
RUN = """
import sys, time
from pathlib import Path
from overlap.servers import {module}
server = {module}.start(Path(sys.argv[1]))
print(server.port, server.process.pid, flush=True)
time.sleep(60)
"""


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


@needs_nginx
def test_documents_come_at_once_and_after_a_while():
    server = nginx.start(FOLDER / "nginx")
    try:
        url = nginx.url(server)
        assert get(f"{url}/items/7") == document(7)
        begun = time.monotonic()
        assert get(f"{url}/after/0.02/items/999") == document(999)
        assert time.monotonic() - begun >= 0.02
        assert server.settings["version"].startswith("nginx/")
    finally:
        server.stop()
    assert not server.answers()


@needs_postgresql
def test_accounts_have_the_values_that_clients_expect():
    server = postgresql.start(FOLDER / "postgresql")
    try:
        query = "SELECT aid, abalance FROM pgbench_accounts WHERE aid IN (1, 77777) ORDER BY aid"
        said = subprocess.run(
            [postgresql.PROGRAMS / "psql", "-Atc", query, postgresql.url(server)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert said.split() == [f"{n}|{n * 2654435761 % 2147483647}" for n in (1, 77777)]
    finally:
        postgresql.stop(server)
    assert not server.answers()


@pytest.mark.parametrize(
    "module",
    [pytest.param("nginx", marks=needs_nginx), pytest.param("postgresql", marks=needs_postgresql)],
)
def test_a_run_that_is_killed_leaves_nothing(module):
    folder = FOLDER / module
    run = subprocess.Popen(
        [sys.executable, "-c", RUN.format(module=module), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
    )
    try:
        port, pid = map(int, run.stdout.readline().split())
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
        run.stdout.close()
    server = Server(module, folder, signal.SIGTERM, port)
    deadline = time.monotonic() + 20
    while (server.answers() or alive(pid)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not server.answers() and not alive(pid)
    assert not (folder / "nginx.pid").exists()
    assert not (folder / "data" / "postmaster.pid").exists()


def alive(leader: int) -> bool:
    """Whether any process of the session that a server led is left; who has ended and waits to be
    reaped by a process that is not ours is not."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == leader and state != "Z":
            return True
    return False


def test_a_server_that_does_not_start_says_why(tmp_path):
    server = Server("false", tmp_path, signal.SIGTERM)
    tmp_path.chmod(0o755)
    with pytest.raises(StartError, match="false does not start: too few apples"):
        start_on_chosen_port(server, lambda port: ["sh", "-c", "echo too few apples; exit 1"])


def test_values_are_those_of_the_specification():
    assert splitmix64(1) == 10451216379200822465
    assert json.loads(document(3))["item"] == 3
