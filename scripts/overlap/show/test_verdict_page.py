"""How comparisons are printed: for programs, for pages and for terminals."""

import csv
import io
import os
import pty
import re
import subprocess
import sys

import pytest

from overlap.base.machine import ROOT
from overlap.commands.compare import main
from overlap.testing.fake_records import REFERENCE, write_records

TRUTH = {"floor": 0.5, "fiber:uring": 1.0, "fiber:epoll": 1.1, "pool": 3.0}


@pytest.fixture
def run(tmp_path):
    return write_records(tmp_path / "run.jsonl", TRUTH)


def said(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def test_csv_has_a_line_a_cell(capsys, run):
    rows = list(csv.DictReader(io.StringIO(said(capsys, run, "--format", "csv"))))
    assert [row["backend"] for row in rows] == [REFERENCE, *TRUTH]
    assert rows[-1]["verdict"] == "slower" and float(rows[-1]["ratio"]) == pytest.approx(
        3, rel=0.05
    )
    assert rows[0]["ratio"] == "" and float(rows[0]["noise_floor"]) > 0


def test_markdown_is_one_table_a_case(capsys, tmp_path):
    path = write_records(tmp_path / "run.jsonl", TRUTH, cases=("gather/a", "gather/b"))
    lines = said(capsys, path, "--format", "markdown").splitlines()
    assert lines.count("| backend | wall | ratio | 95% interval | verdict | tier |") == 2
    assert lines.count("| --- | ---: | ---: | ---: | --- | ---: |") == 2
    two_way = said(capsys, path, "--format", "markdown", "--column", "case")
    assert "| backend | a | b |" in two_way
    alone = said(capsys, path, "--format", "tables", "--column", "case")
    assert (
        alone.startswith("| backend | a | b |\n| --- | --- | --- |\n") and alone in two_way + "\n"
    )
    cells = [cell for line in alone.splitlines()[2:] for cell in line.split(" | ")[1:]]
    assert any(cell.startswith("▲ ") for cell in cells) and not any("[" in cell for cell in cells)


def on_terminal(path, columns, **environment):
    """What the command prints to a terminal of this width."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "overlap.commands.compare", path],
        stdout=child,
        stderr=child,
        env={
            **{k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")},
            "PYTHONPATH": str(ROOT / "scripts"),
            "TERM": "xterm",
            "COLUMNS": str(columns),
            **environment,
        },
    )
    os.close(child)
    output = b""
    while True:
        try:
            read = os.read(parent, 65536)
        except OSError:  # As Linux says that nobody writes any more.
            break
        if not read:
            break
        output += read
    os.close(parent)
    assert process.wait() == 0
    return output.decode()


def test_colour_is_for_terminals_and_can_be_turned_off(run):
    coloured = on_terminal(run, 120)
    assert re.search(r"\x1b\[31mpool .*▲ slower", coloured)
    plain = on_terminal(run, 120, NO_COLOR="1")
    assert "\x1b[3" not in plain and "▲ slower" in plain


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_tables_fit_the_terminal(run, columns):
    text = re.sub(r"\x1b\[[0-9;]*m", "", on_terminal(run, columns))
    lines = [line.rstrip() for line in text.splitlines()]
    # No word is cut: verdicts may be wider than forty columns, all else must fit.
    assert max(map(len, lines)) <= max(columns, 60)
    assert any("▲ slower" in line for line in lines)


def test_output_that_is_no_terminal_is_never_cut(run):
    command = [sys.executable, "-m", "overlap.commands.compare", run]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts"), "COLUMNS": "30"}
    text = subprocess.run(command, capture_output=True, text=True, env=environment).stdout
    assert "\x1b" not in text and re.search(r"^pool .*\[.*, .*\]  ▲ slower +4$", text, re.M)
