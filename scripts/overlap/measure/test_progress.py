"""What a run says of itself while it goes on."""

import io
import time

from overlap.measure.plan import Plan
from overlap.measure.progress import Progress, SoFar
from overlap.records.rows import Row


def row(name):
    return Row(name, *name.split("/"), 1, "task", 0.1, "")


def record(block, wall_s):
    return {"block": block, "counters": {"wall_s": wall_s}}


def test_the_fastest_so_far_are_named_without_what_is_no_choice():
    so_far = SoFar()
    for block, walls in enumerate([(2e-3, 1e-3, 4e-3), (2e-3, 1e-3, 4e-3), (9.0, 1e-3, 4e-3)]):
        for backend, wall_s in zip(("coroutine:uring", "floor", "thread_pool"), walls):
            so_far.add(row(f"gather/a/{backend}"), record(block, wall_s))
    so_far.add(row("gather/a/thread_pool"), {"block": 3, "error": "timeout"})
    assert so_far.blocks("gather/a") == 3
    assert so_far.words("gather/a") == "coroutine:uring 2.00 ms, thread_pool ×2.00"
    assert so_far.table().row_count == 1


def test_without_a_terminal_a_case_has_a_line_after_1_2_and_4_blocks():
    rows = [row(f"gather/{case}/coroutine:uring") for case in "ab"]
    plan, stream = Plan(rows, 5, 1), io.StringIO()
    progress = Progress(plan, stream)
    for step in plan.steps():
        progress.show(step)
        taken = {"row": step.row.row, "duration_s": 0.1, **record(step.block, 1e-3)}
        plan.add(taken)
        progress.sample_done(step, taken)
    lines = [line for line in stream.getvalue().splitlines() if " after " in line]
    assert len([line for line in lines if line.startswith("gather/a after ")]) in (2, 3)
    assert "gather/a after 1 block: coroutine:uring 1.00 ms" in lines
    assert not any("after 3 blocks" in line for line in lines)


def test_a_long_row_says_how_long_it_has_been_under_way(monkeypatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    plan, stream = Plan([row("gather/a/coroutine:uring")], 1, 1), io.StringIO()
    progress = Progress(plan, stream)
    progress.show(next(iter(plan.steps())))
    for seconds in range(1, 25):
        now = 100.0 + seconds
        progress.redraw()
    lines = stream.getvalue().splitlines()
    assert [line.partition(": ")[2] for line in lines] == [
        "gather/a/coroutine:uring",
        "gather/a/coroutine:uring for 10 s",
        "gather/a/coroutine:uring for 20 s",
    ]
    assert all(line.startswith("0/1 samples, about ") for line in lines)
