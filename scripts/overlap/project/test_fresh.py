"""scripts/test --fresh with a debootstrap that makes no Debian, so that nothing is fetched."""

import os
import pwd
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from overlap.base.machine import ROOT

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a root of its own")
SAYS_ITS_ROOT = 'root=${@: -2:1}; echo "$root" >"$0.root"; '


def start(tmp_path, debootstrap, **how):
    """`debootstrap` is a shell text that stands in for it."""
    program = tmp_path / "debootstrap"
    program.write_text(f"#!/bin/bash\n{debootstrap}\n")
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/sbin:/usr/bin", "PYTHONPATH": str(ROOT / "scripts")}
    return subprocess.Popen(
        [sys.executable, "-m", "overlap.project.checks", "--fresh", "trixie"],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
        **how,
    )


@as_root
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_of_an_interrupted_one(tmp_path, number):
    mounts = (
        'mount -t tmpfs mounted_by_test_fresh "$root" && mkdir "$root/in" && mv "$0.root" "$0.go"'
    )
    process = start(tmp_path, f"{SAYS_ITS_ROOT} {mounts}; sleep 60")
    named = tmp_path / "debootstrap.go"
    patience = time.monotonic() + 30
    while not named.exists() and time.monotonic() < patience:
        time.sleep(0.01)
    root = Path(named.read_text().strip())
    assert root.exists()
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert not root.exists()
    assert "mounted_by_test_fresh" not in Path("/proc/mounts").read_text()


@as_root
def test_a_debootstrap_that_fails_is_shown(tmp_path):
    process = start(tmp_path, f"{SAYS_ITS_ROOT} echo no such mirror; exit 3")
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert errors.splitlines()[-2:] == [
        "no such mirror",
        "scripts/test: debootstrap failed with 3; see above",
    ]
    assert not Path((tmp_path / "debootstrap.root").read_text().strip()).exists()


def test_without_root_the_command_is_said():
    how = {"user": pwd.getpwnam("nobody").pw_uid} if os.geteuid() == 0 else {}
    code = "from overlap.base.exits import guarded; from overlap.project.fresh import run_fresh; "
    code += "raise SystemExit(guarded('scripts/test', lambda: run_fresh('bookworm')))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
        **how,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("run: sudo ./scripts/test --fresh bookworm")
