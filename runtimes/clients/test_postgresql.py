"""The client of PostgreSQL with a real server, which its C++ tests cannot start."""

import os
import subprocess

import pytest
from harness.binaries import BINARIES

from overlap.servers import postgresql

PROGRAM = BINARIES.parent / "runtimes" / "clients" / "clients_postgresql_test"


@pytest.mark.skipif(postgresql.missing() != "", reason=f"needs {postgresql.PACKAGE}")
def test_the_client_and_a_real_server():
    server = postgresql.start(BINARIES.parent / "servers" / "postgresql")
    try:
        done = subprocess.run(
            [PROGRAM, "--gtest_filter=*RealServer*"],
            env=os.environ | {"OVERLAP_POSTGRESQL_PORT": str(server.port)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        server.stop()
    assert done.returncode == 0, done.stdout
    assert "[  PASSED  ] 4 tests." in done.stdout
