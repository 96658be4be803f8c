"""For the tests: scripts/run on a fake suite."""

import os
import subprocess
import sys

from overlap.base.machine import ROOT
from overlap.records.files import read_records
from overlap.testing.fake_suite import FakeSuite

ROWS = [f"{name}/ok/{backend}" for name in ("sleeps", "gather") for backend in ("floor", "x")]
ROWS.append("echo/ok/floor:uring")
QUICKLY = ["--blocks", "2", "--row-timeout", "5", "--seed", "1", "--no-repeats"]


class Runner:
    """Runs the command on a fake suite, with its record file."""

    def __init__(self, directory, rows):
        self.suite = FakeSuite(directory / "build", rows)
        self.output = directory / "run.jsonl"

    def command(self, *arguments):
        where = ["--build", str(self.suite.directory), "--output", str(self.output)]
        return [sys.executable, "-m", "overlap.commands.run", *where, *map(str, arguments)]

    def environment(self):
        return os.environ | {"PYTHONPATH": str(ROOT / "scripts")}

    def __call__(self, *arguments):
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, env=self.environment()
        )

    def start(self, *arguments):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(self.command(*arguments), env=self.environment(), **pipes)

    def samples(self):
        return read_records(self.output).samples
