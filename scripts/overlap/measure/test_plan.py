from dataclasses import replace

import pytest

from overlap.measure.plan import Plan
from overlap.records.rows import Row
from overlap.records.slow import Slow


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


def test_what_the_first_blocks_take_beside_time_is_not_expected_of_the_others():
    also = {"trace": 2, "memory": 1}
    plan = Plan([row("gather/a/x", expected_s=1.0)], 4, seed=1, also=also)
    assert plan.seconds_left() == 3.0 + 1.5 + 1 + 1
    steps = plan.steps()
    plan.add(record(next(steps), duration_s=6.0))
    assert plan.seconds_left() == 3.0 + 2 + 2
    plan.add(record(next(steps), duration_s=2.0))
    assert plan.seconds_left() == pytest.approx(2 * (2 + 2 / 1.5) / 2)
    plan.add(record(next(steps), duration_s=1.0))
    assert plan.seconds_left() == 1.0


def dirty_in(*places):
    """Marks samples dirty by (row, block)."""

    def mark(step):
        return {"dirty": (step.row.row, step.block) in places}

    return mark


def carry_out_disturbed(plan, contamination_of, limit=1000):
    taken = []
    for step in plan.steps():
        taken.append(step)
        repeats = {} if step.repeats is None else {"repeats_block": step.repeats}
        plan.add({**record(step), **repeats, "contamination": contamination_of(step)})
        if len(taken) == limit:
            break
    return taken


def test_the_dirty_part_of_a_block_is_run_again_at_the_end():
    steps = carry_out_disturbed(Plan(ROWS, 6, seed=7), dirty_in(("gather/a/x", 2)))
    again = steps[6 * 6 :]
    assert sorted(step.row.row for step in again) == [f"gather/a/{b}" for b in ("floor", "x", "y")]
    assert {(step.block, step.repeats) for step in again} == {(6, 2)}


def test_no_more_than_a_fifth_is_run_again():
    always = carry_out_disturbed(Plan(ROWS, 10, seed=7), lambda step: {"dirty": True})
    assert len(always) == 12 * 6
    assert {(step.block, step.repeats) for step in always[60:]} == {(10, 0), (11, 1)}
    never = Plan(ROWS, 10, seed=7, repeated_share=0)
    assert len(carry_out_disturbed(never, lambda step: {"dirty": True})) == 10 * 6


@pytest.mark.parametrize("stop", range(30, 43))
def test_repeats_go_on_where_a_run_was_interrupted(stop):
    mark = dirty_in(("gather/a/x", 2), ("gather/b/y", 3), ("gather/b/x", 4))
    whole = carry_out_disturbed(Plan(ROWS, 6, seed=7), mark)
    first = carry_out_disturbed(Plan(ROWS, 6, seed=7), mark, limit=stop)
    resumed = Plan(ROWS, 6, seed=7)
    for step in first:
        repeats = {} if step.repeats is None else {"repeats_block": step.repeats}
        resumed.add({**record(step), **repeats, "contamination": mark(step)})
    assert len(resumed.left()) == len(whole) - stop or stop < 36
    assert first + carry_out_disturbed(resumed, mark) == whole


def test_blocks_added_later_pass_over_the_numbers_of_repeats():
    mark = dirty_in(("gather/a/x", 2))
    first = carry_out_disturbed(Plan(ROWS, 6, seed=7), mark)
    more = Plan(ROWS, 8, seed=7)
    for step in first:
        repeats = {} if step.repeats is None else {"repeats_block": step.repeats}
        more.add({**record(step), **repeats, "contamination": mark(step)})
    assert {step.block for step in carry_out_disturbed(more, mark)} == {7, 8}


def test_a_row_of_fewer_blocks_is_in_the_first_ones_only():
    rows = [*ROWS[:5], replace(ROWS[5], blocks=2)]
    steps = carry_out_disturbed(
        Plan(rows, 10, seed=7), dirty_in(("gather/b/x", 1), ("gather/b/x", 5))
    )
    of_row = [(step.block, step.repeats) for step in steps if step.row.row == "gather/b/y"]
    assert of_row == [(0, None), (1, None), (10, 1)]
    assert len(steps) == 10 * 5 + 2 + 3 + 2


SLOW = [Slow(sample_s=1.0, blocks=2)]
PLACEBO = replace(row("gather/a/placebo"), placebo_of="x")


def carry_out_timed(plan, sample_s, limit=1000):
    """`sample_s` says by row what a sample takes, if not 0.5 s."""
    taken = []
    for step in plan.steps():
        taken.append(step)
        counters = {"sample_s": sample_s.get(step.row.row, 0.5)}
        plan.add({**record(step), "counters": counters})
        if len(taken) == limit:
            break
    return taken


def blocks_of(steps, name):
    return [step.block for step in steps if step.row.row == f"gather/{name}"]


def test_a_row_that_the_first_block_shows_to_be_slow_is_in_fewer_blocks():
    steps = carry_out_timed(Plan(ROWS, 6, seed=7, slow=SLOW), {"gather/a/y": 1.1})
    assert blocks_of(steps, "a/y") == [0, 1]
    assert blocks_of(steps, "b/y") == blocks_of(steps, "a/x") == list(range(6))
    without_rule = carry_out_timed(Plan(ROWS, 6, seed=7), {"gather/a/y": 9.0})
    assert blocks_of(without_rule, "a/y") == list(range(6))
    assert steps[:6] == without_rule[:6]


def test_what_later_blocks_take_decides_nothing():
    plan = Plan(ROWS, 4, seed=7, slow=SLOW)
    steps = []
    for step in plan.steps():
        steps.append(step)
        plan.add({**record(step), "counters": {"sample_s": 9.0 if step.block else 0.5}})
    assert blocks_of(steps, "a/y") == [0, 1, 2, 3]


def test_a_row_that_takes_about_as_long_as_the_reference_is_not_slow():
    rows = [*ROWS, PLACEBO]
    takes = {"gather/a/x": 5.0, "gather/a/placebo": 9.0, "gather/a/y": 9.9, "gather/a/floor": 10.1}
    steps = carry_out_timed(Plan(rows, 3, seed=7, slow=SLOW), takes)
    for name in ("a/x", "a/placebo", "a/y"):
        assert blocks_of(steps, name) == [0, 1, 2], name
    assert blocks_of(steps, "a/floor") == [0, 1]


@pytest.mark.parametrize(("blocks", "found"), [(None, [0, 1]), (1, [0]), (3, [0, 1])])
def test_of_several_rules_the_one_with_the_fewest_blocks_counts(blocks, found):
    rows = [*ROWS[:5], replace(ROWS[5], blocks=blocks)]
    rules = [Slow(sample_s=1.0, blocks=4), *SLOW, Slow(sample_s=99.0, blocks=1)]
    steps = carry_out_timed(Plan(rows, 6, seed=7, slow=rules), {"gather/b/y": 9.0})
    assert blocks_of(steps, "b/y") == found


@pytest.mark.parametrize("stop", range(1, 6 * 6 - 4))
def test_a_resumed_run_has_the_same_slow_rows(stop):
    takes = {"gather/a/y": 9.0}
    whole = carry_out_timed(Plan(ROWS, 6, seed=7, slow=SLOW), takes)
    assert len(whole) == 6 * 6 - 4
    first = carry_out_timed(Plan(ROWS, 6, seed=7, slow=SLOW), takes, limit=stop)
    resumed = Plan(ROWS, 6, seed=7, slow=SLOW)
    for step in first:
        counters = {"sample_s": takes.get(step.row.row, 0.5)}
        resumed.add({**record(step), "counters": counters})
    assert first + carry_out_timed(resumed, takes) == whole


def test_orders_stay_balanced_when_slow_rows_are_gone():
    rows = [row(f"gather/a/{name}") for name in "vwxyz"]
    steps = carry_out_timed(Plan(rows, 2 + 4, seed=7, slow=SLOW), {"gather/a/z": 9.0})
    places = {name: [] for name in "vwxy"}
    neighbours = []
    for block in range(2, 6):
        order = [step.row.backend for step in steps if step.block == block]
        neighbours += zip(order, order[1:])
        for place, name in enumerate(order):
            places[name].append(place)
    assert all(sorted(of_name) == [0, 1, 2, 3] for of_name in places.values())
    assert len(neighbours) == len(set(neighbours)) == 12


def test_cases_of_the_same_name_in_two_workloads_stay_apart():
    rows = [row(f"{workload}/a/{b}") for workload in ("gather", "echo") for b in ("x", "y")]
    mark = dirty_in(("gather/a/x", 0))
    again = carry_out_disturbed(Plan(rows, 5, seed=7), mark)[20:]
    assert {step.row.workload for step in again} == {"gather"}
