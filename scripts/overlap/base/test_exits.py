"""Exit codes mean what the commands' help says, however a command ends."""

import os
import signal
import subprocess
import sys
import time

import pytest

from overlap.base.exits import CODES
from overlap.base.machine import ROOT

START = "import sys; from overlap.base.exits import *; sys.exit(guarded('me', lambda: "
MANY = "print('line\\n' * 100_000)"


def ended(body, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **environment):
    """The code of a command with this body, and what it said on standard error."""
    ran = subprocess.run(
        [sys.executable, "-c", f"{START}{body}))"],
        stdout=stdout,
        stderr=stderr,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")} | environment,
    )
    return ran.returncode, ran.stderr


@pytest.fixture
def closed():
    """The end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("3", 3, ""),
        ("int('x\\ny')", 70, "me: a fault of its own, ValueError in <string>:1: invalid literal"),
        ("(_ for _ in ()).throw(UsageError('no'))", 2, "me: no"),
        ("(_ for _ in ()).throw(BuildError('no'))", 2, "me: no"),
        ("open('/no/such')", 2, "me: /no/such: No such file or directory"),
        ("open('/' + 300 * 'x')", 2, "File name too long"),
        ("sys.exit(2)", 2, ""),
        ("(_ for _ in ()).throw(KeyboardInterrupt())", 130, ""),
    ],
)
def test_each_end_has_its_code_and_one_line(body, status, words):
    found, said = ended(body)
    assert found == status and words in said and said.count("\n") == bool(words)
    assert str(status) in CODES or status == 3


def test_a_pipe_that_closes_early_is_no_condition_that_is_met(closed):
    assert ended(f"{MANY} or 1", stdout=closed) == (141, "")
    assert ended("open('/no/such')", stdout=closed, stderr=closed)[0] == 141
    assert ended("print('a few') or 1", stdout=closed) == (141, "")


def test_a_full_disk_is_said():
    with open("/dev/full", "w") as full:
        assert ended(f"{MANY} or 1", stdout=full) == (70, "me: No space left on device\n")


def test_characters_that_a_terminal_lacks_are_escaped():
    assert ended("print('\\u25bc') or 0", PYTHONIOENCODING="ascii") == (0, "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_a_closed_stream_is_no_fault_of_the_command(closed):
    command = f"{ROOT}/scripts/compare /nonexistent {closed}"
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("delay_s", [0.05, 0.1, 0.2, 0.3, 0.4])
def test_an_interrupt_while_a_command_starts_is_no_traceback(delay_s):
    """The shell, the interpreter, numpy's import: whichever it comes to is left to the machine's pace."""
    command = subprocess.Popen(
        [ROOT / "scripts" / "compare", "/nonexistent"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    time.sleep(delay_s)
    os.killpg(command.pid, signal.SIGINT)
    _, errors = command.communicate(timeout=60)
    assert command.returncode in (-signal.SIGINT, 130, 2)  # Of the shell, of ours, and at its end.
    assert "Traceback" not in errors and errors.count("\n") <= 1


def test_files_of_the_current_folder_are_not_imported(tmp_path):
    for name in ("argparse", "json", "re", "signal", "overlap"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from here')")
    command = [ROOT / "scripts" / "compare", "/nonexistent"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 2 and "No such file" in ran.stderr
