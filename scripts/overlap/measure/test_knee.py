"""The search for knees, on servers of which the truth is known."""

import json

import pytest

from overlap.base.exits import UsageError
from overlap.judge.curves import families
from overlap.judge.knees import Bound, knees
from overlap.judge.series import from_records
from overlap.measure.knee import KneePlan, announced
from overlap.records.files import read_records
from overlap.records.rows import Row, names_of
from overlap.testing.fake_records import write_records

RATES = [round(1000 * 1.05**i) for i in range(142)]
BOUND = Bound("p99", 1e-3)


def rows_of(*backends):
    return [
        Row(
            f"echo/knee@rate={rate}/{name}",
            "echo",
            f"knee@rate={rate}",
            name,
            100,
            "message",
            1,
            "",
        )
        for rate in RATES
        for name in backends
    ]


def probe(row, block, most, gate=""):
    """A server that answers within the bound up to a rate."""
    rate = float(row.case.partition("=")[2])
    sample = {"kind": "sample", **names_of(row), "block": block, "position": 0, "attempt": 0}
    sample |= {"started": "", "duration_s": 0.5, "contamination": {"dirty": False}}
    sample["counters"] = {"wall_s": 0.5, "cpu_per_task_s": 1 / rate, "verified": 1}
    if rate > most and gate:
        return sample | {"gates": [gate]}
    sample["counters"]["latency_p99_s"] = 1e-4 if rate <= most else 5e-3
    return sample


def search(plan, most_of, gate=""):
    taken = []
    for step in plan.steps():
        taken.append(probe(step.row, step.block, most_of[step.row.backend], gate))
        plan.add(taken[-1])
        assert len(taken) < 500, "the search does not end"
    return taken


@pytest.mark.parametrize("most", [999, 1000, 1500, 40_000, 123_456, 10**9])
@pytest.mark.parametrize("gate", ["", "generator-bound: 99%"])
def test_the_highest_rate_within_the_bound_is_found(most, gate):
    taken = search(KneePlan(rows_of("x"), 3, BOUND), {"x": most}, gate)
    for block in range(3):
        rates = [
            float(s["case"].partition("=")[2])
            for s in taken
            if s["block"] == block
            and "latency_p99_s" in s["counters"]
            and s["counters"]["latency_p99_s"] < 1e-3
        ]
        expected = max((rate for rate in RATES if rate <= most), default=None)
        assert max(rates, default=None) == expected
        assert expected is None or rates.count(expected) >= 3, "it was confirmed"
    assert len(taken) < 3 * 25, "a ladder and a bisection, not every rate"


def test_a_resumed_search_goes_on_where_it_was():
    whole = search(KneePlan(rows_of("x", "y"), 2, BOUND), {"x": 9_000, "y": 50_000})
    plan = KneePlan(rows_of("x", "y"), 2, BOUND)
    for sample in whole[:17]:
        plan.add(sample)
    rest = search(plan, {"x": 9_000, "y": 50_000})
    assert [s["row"] for s in whole[:17] + rest] == [s["row"] for s in whole]


def test_a_load_that_is_late_once_is_tried_again():
    plan = KneePlan(rows_of("x"), 1, BOUND)
    first = next(plan.steps())
    late = probe(first.row, 0, 0, "generator late: p99 of 80 us")
    plan.add(late)
    again = next(plan.steps())
    assert again.row == first.row and again.attempt == 1
    plan.add(late)
    assert float(next(plan.steps()).row.case.partition("=")[2]) < RATES[14]


def test_the_records_say_knee_and_why_not_more(tmp_path):
    path = tmp_path / "run.jsonl"
    rows = rows_of("x", "y")
    taken = search(KneePlan(rows, 6, BOUND), {"x": 20_000, "y": 500}, "")
    write_records(path, {}, blocks=1, placebo=None)
    head = json.loads(path.read_text().splitlines()[0])
    head |= {"rows": [row.to_record() for row in rows], "knee": "p99:1ms", "blocks": 6}
    path.write_text("".join(json.dumps(record) + "\n" for record in [head, *taken]))
    (family,) = families(from_records(read_records(path)))
    found = {knee.backend: knee for knee in knees(family, BOUND)}
    expected = max(rate for rate in RATES if rate <= 20_000)
    assert found["x"].rate.centre == pytest.approx(expected)
    assert found["x"].cpu_s == pytest.approx(1 / expected) and found["x"].why == "over the bound"
    assert found["y"].rate is None
    assert "p99 at most 1.00 ms, of 2 backends, 6 times, among 142 rates" in announced(head)


@pytest.mark.parametrize("text", ["p98:1ms", "p99", "p99:0ms", "p99:-1ms", "p99:1", "p99:1h", ""])
def test_bounds_that_make_no_sense(text):
    with pytest.raises(UsageError, match="expected a percentile and a bound, such as p99:1ms"):
        Bound.parse(text)


def test_rows_without_a_rate_cannot_be_searched():
    row = Row("echo/100x64/x", "echo", "100x64", "x", 100, "message", 1, "")
    with pytest.raises(UsageError, match="has no rate that is swept"):
        KneePlan([row], 1, BOUND)
