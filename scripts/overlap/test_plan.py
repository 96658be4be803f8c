import pytest

from overlap.plan import Plan
from overlap.sampling import Row


def row(name, skip="", expected_s=1.0):
    workload, case, backend = name.split("/")
    return Row(name, workload, case, backend, 1, "task", expected_s, skip)


ROWS = [row(f"gather/{case}/{backend}") for case in "ab" for backend in ("floor", "x", "y")]


def record(step, error="", duration_s=1.0):
    result = {"error": error} if error else {"counters": {}}
    return {"row": step.row.row, "block": step.block, "duration_s": duration_s, **result}


def carry_out(plan, error_of=lambda step: "", limit=1000):
    """Takes every step; returns them."""
    taken = []
    for step in plan.steps():
        taken.append(step)
        plan.add(record(step, error_of(step)))
        if len(taken) == limit:
            break
    return taken


def test_every_row_is_measured_once_a_block():
    plan = Plan(ROWS, 3, seed=7)
    assert len(plan.left()) == 18
    steps = carry_out(plan)
    assert sorted((s.row.row, s.block) for s in steps) == sorted(
        (r.row, block) for r in ROWS for block in range(3)
    )
    assert [s.position for s in steps] == [*range(6)] * 3
    assert plan.left() == [] and plan.seconds_left() == 0


def test_rows_that_cannot_run_are_not_tried():
    plan = Plan([*ROWS, row("gather/a/process", "would take 500 s")], 1, seed=7)
    assert "gather/a/process" not in [step.row.row for step in carry_out(plan)]


def test_a_limit_is_met_once():
    plan = Plan(ROWS, 5, seed=7)
    steps = carry_out(plan, lambda s: "limit: 9" if s.row.row == "gather/a/x" else "")
    assert len([s for s in steps if s.row.row == "gather/a/x"]) == 1
    assert len(steps) == 5 * 5 + 1


def test_an_accident_is_tried_once_more_in_its_block():
    plan = Plan(ROWS, 2, seed=7)
    steps = carry_out(
        plan, lambda s: "crashed" if s.row.row == "gather/a/x" and s.attempt == 0 else ""
    )
    tries = [(s.block, s.attempt) for s in steps if s.row.row == "gather/a/x"]
    assert tries == [(0, 0), (0, 1), (1, 0), (1, 1)]
    again = [at for at, s in enumerate(steps) if s.attempt]
    assert all(steps[at - 1].row == steps[at].row for at in again)


def test_what_keeps_crashing_is_given_up():
    plan = Plan(ROWS, 5, seed=7)
    steps = carry_out(plan, lambda s: "crashed" if s.row.row == "gather/a/x" else "")
    assert len([s for s in steps if s.row.row == "gather/a/x"]) == 2


@pytest.mark.parametrize("stop", range(1, 18))
def test_a_resumed_run_takes_the_steps_that_were_left(stop):
    def error_of(step):
        return "crashed" if step.row.row == "gather/b/y" and step.attempt == 0 else ""

    whole = carry_out(Plan(ROWS, 3, seed=7), error_of)
    first = carry_out(Plan(ROWS, 3, seed=7), error_of, limit=stop)
    resumed = Plan(ROWS, 3, seed=7)
    for step in first:
        resumed.add(record(step, error_of(step)))
    assert first + carry_out(resumed, error_of) == whole


def test_more_blocks_only_add_steps():
    assert carry_out(Plan(ROWS, 5, seed=7))[:18] == carry_out(Plan(ROWS, 3, seed=7))


def test_time_left_is_learned():
    plan = Plan([row("gather/a/x", expected_s=2.0), row("gather/a/y", expected_s=4.0)], 2, seed=1)
    assert plan.seconds_left() == 12
    steps = plan.steps()
    first = next(steps)
    # Samples take three times as long as the binary guessed.
    plan.add(record(first, duration_s=3 * first.row.expected_s))
    assert plan.seconds_left() == pytest.approx(36 - 3 * first.row.expected_s)
