"""scripts/curves from a record file to tables and pictures."""

import pytest

from overlap.commands.curves import main
from overlap.judge.test_curves import OVERHEADS_S, WORKS, wall_with_overhead, write
from overlap.testing.fake_records import write_records


@pytest.fixture
def records(tmp_path):
    cases = [f"gather/grain@work={work}" for work in WORKS]
    path = tmp_path / "run.jsonl"
    write(path, wall_with_overhead, cases, ["sequential", *OVERHEADS_S])
    return path


def test_the_table_says_from_which_task_on_cores_pay(records, capsys):
    assert main([str(records), "--format", "markdown"]) == 0
    said = capsys.readouterr().out
    lines = {line.split(" | ")[0].strip("| "): line for line in said.splitlines() if " | " in line}
    assert "µs [" in lines["thread_pool"] and "ns [" in lines["stealing_coroutine:uring"]
    assert lines["process_pool"].count("not reached") == 2
    assert "A further core pays with loop per core (stealing_coroutine:uring) from" in said


def test_break_even_needs_two_backends_that_are_there(records, capsys):
    assert main([str(records), "--between", "thread_pool,stealing_coroutine:uring"]) == 0
    assert "do not cross in this range" in capsys.readouterr().out
    assert main([str(records), "--between", "thread_pool"]) == 2
    assert "expected two backends of coroutine:uring," in capsys.readouterr().err


def test_pictures_are_the_same_for_the_same_records(records, tmp_path, capsys):
    first, second = tmp_path / "a", tmp_path / "b"
    for target in (first, second):
        target.mkdir()
        assert main([str(records), "--draw", str(target / "c")]) == 0
    names = sorted(path.name for path in first.iterdir())
    assert names == [f"c-gather-grain{end}" for end in ("-dark.png", "-dark.svg", ".png", ".svg")]
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert str(second / "c-gather-grain.svg") in capsys.readouterr().out


def test_records_without_a_sweep_are_refused_in_one_line(tmp_path, capsys):
    path = write_records(tmp_path / "plain.jsonl", {}, blocks=2)
    assert main([str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
