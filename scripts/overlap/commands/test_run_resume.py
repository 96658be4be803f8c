"""scripts/run --resume against fake binaries: what was interrupted, damaged or mixed up."""

import signal
import subprocess
import sys

import pytest

from overlap.testing.runs import QUICKLY, ROWS, Runner
from overlap.measure.test_samples import is_running, wait_until


@pytest.fixture
def runner(tmp_path):
    return lambda rows=ROWS: Runner(tmp_path, rows)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_it_has_and_goes_on(runner, number):
    run = runner([*ROWS, "gather/hang/x"])
    process = run.start(*QUICKLY)
    hanging = run.suite.directory / "hanging"
    assert wait_until(lambda: hanging.exists() and hanging.read_text())
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == (
        f"interrupted; resume with ./scripts/run --resume --output {run.output}"
    )
    assert "gather" in output and "not measured yet" in output
    assert wait_until(lambda: not is_running(int(hanging.read_text())))
    kept = run.samples()
    assert not any(sample["row"] == "gather/hang/x" for sample in kept)

    # Binaries that have changed may not go on, so the hanging row is made to end by its time-out.
    records = run.output.read_text().replace('"row_timeout_s":5.0', '"row_timeout_s":0.1')
    run.output.write_text(records)
    result = run("--resume")
    assert result.returncode == 0, result.stderr
    assert run.samples()[: len(kept)] == kept
    measured = sorted((s["row"], s["block"]) for s in run.samples() if "counters" in s)
    assert measured == sorted((row, block) for row in ROWS for block in range(2))


def test_resuming_a_finished_run_measures_nothing_more(runner):
    run = runner()
    first = run(*QUICKLY)
    before = run.output.read_bytes()
    again = run("--resume")
    assert again.returncode == 0 and again.stdout == first.stdout
    assert run.output.read_bytes() == before


def test_resuming_with_more_blocks_adds_them(runner):
    run = runner()
    run(*QUICKLY)
    assert run("--resume", "--blocks", "3").returncode == 0
    assert len(run.samples()) == 3 * len(ROWS)


def test_a_record_that_was_cut_short_is_named_and_measured_again(runner):
    run = runner()
    run(*QUICKLY)
    run.output.write_bytes(run.output.read_bytes()[:-20])
    result = run("--resume")
    assert result.returncode == 0
    assert "its last record was cut short" in result.stderr and "is dropped" in result.stderr
    assert len(run.samples()) == 2 * len(ROWS)


def test_damage_in_the_middle_is_named_and_measured_again(runner):
    run = runner()
    run(*QUICKLY)
    lines = run.output.read_text().splitlines(keepends=True)
    damaged = next(at for at, line in enumerate(lines) if '"kind":"sample"' in line)
    lines[damaged] = lines[damaged].replace('"duration_s":', '"duration":')
    run.output.write_text("".join(lines))
    shown = run("--from", run.output)
    assert shown.returncode == 0 and "not sound" in shown.stdout
    (said,) = shown.stderr.splitlines()
    assert said.startswith(f"scripts/run: {run.output}:{damaged + 1}: sample record: duration_s: ")
    result = run("--resume")
    assert result.returncode == 0 and said in result.stderr
    assert len(run.samples()) == 2 * len(ROWS)


def test_many_damaged_lines_do_not_fill_the_screen(runner):
    run = runner()
    run(*QUICKLY)
    run.output.write_text(run.output.read_text() + "garbage\n" * 30)
    errors = run("--from", run.output).stderr.splitlines()
    assert len(errors) == 11 and errors[-1] == "scripts/run: and 20 more such lines"


def test_two_runs_in_one_file_are_not_resumed(runner):
    run = runner()
    run(*QUICKLY)
    content = run.output.read_text()
    run.output.write_text(content + content.replace('"seed":1', '"seed":2'))
    result = run("--resume")
    assert result.returncode == 2 and "it holds two runs" in result.stderr.splitlines()[-1]
    assert run("--from", run.output).returncode == 0


def test_a_resumed_run_remembers_how_it_was_asked(runner):
    run = runner()
    first = run(*QUICKLY, "--filter", "gather", "--cores", "1")
    assert first.returncode == 0
    command = [
        sys.executable,
        "-m",
        "overlap.commands.run",
        "--resume",
        "--output",
        str(run.output),
    ]
    command += ["--blocks", "3"]
    result = subprocess.run(command, capture_output=True, text=True, env=run.environment())
    assert result.returncode == 0, result.stderr
    rows = [row for row in ROWS if row.startswith("gather")]
    assert sorted(s["row"] for s in run.samples()) == sorted(3 * rows)
