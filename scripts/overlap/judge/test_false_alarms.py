import pytest

from overlap.base.machine import ROOT
from overlap.commands.doctor import main
from overlap.judge.false_alarms import LEAST_REPETITIONS, count_false_alarms
from overlap.judge.metrics import METRICS
from overlap.judge.series import read_source
from overlap.testing.fake_records import write_records


def alarms(path, blocks=12):
    return list(count_false_alarms([read_source(path).seen_by(METRICS["wall"])], blocks))


def run_of(path, blocks, **truth):
    return write_records(path, {}, blocks=blocks, spread=0.05, **truth)


def test_equal_backends_stay_within_the_stated_rate(tmp_path, capsys):
    path = run_of(tmp_path / "a.jsonl", 12 * 200)
    (found,) = alarms(path)
    assert (found.repetitions, found.blocks, found.backend) == (200, 12, "coroutine:uring")
    assert found.called_different <= found.told_apart <= 0.1 * 200 and found.sound
    assert main(["--false-alarms", str(path)]) == 0
    assert f"{found.told_apart} of 200" in capsys.readouterr().out


def test_backends_that_are_not_equal_are_noticed(tmp_path, capsys):
    path = run_of(tmp_path / "a.jsonl", 12 * 40, placebo=1.1)
    (found,) = alarms(path)
    assert found.called_different > 30 and not found.sound
    assert main(["--false-alarms", str(path), "--format", "markdown"]) == 1
    assert "| gather/a | coroutine:uring | 12 |" in capsys.readouterr().out


def test_too_few_repetitions_prove_nothing(tmp_path, capsys):
    assert main(["--false-alarms", str(run_of(tmp_path / "a.jsonl", 12 * 39))]) == 3
    assert f"39 repetitions, expected at least {LEAST_REPETITIONS}" in capsys.readouterr().err
    assert main(["--false-alarms", str(run_of(tmp_path / "b.jsonl", 11))]) == 2
    assert "no placebo with 12 blocks" in capsys.readouterr().err
    path = run_of(tmp_path / "c.jsonl", 100, placebo=None)
    assert main(["--false-alarms", str(path)]) == 2


def test_blocks_at_the_end_that_make_no_repetition_are_left_out(tmp_path):
    (found,) = alarms(run_of(tmp_path / "a.jsonl", 47))
    assert found.repetitions == 3
    (found,) = alarms(run_of(tmp_path / "a.jsonl", 47), blocks=6)
    assert found.repetitions == 7


KEPT = sorted((ROOT / "results").glob("*/false_alarms.jsonl.gz"))


@pytest.mark.skipif(not KEPT, reason="no run of equal backends is kept in results/")
def test_the_kept_run_of_equal_backends_stays_within_the_stated_rate():
    for path in KEPT:
        found = alarms(path)
        assert found and all(each.sound for each in found), f"{path}: {found}"
