"""The plan of a run in words, before it starts: what is measured, what is not and why, how long."""

from collections.abc import Iterator, Sequence
from typing import Any

from overlap.base.cgroups import quota_words
from overlap.base.units import duration, in_blocks
from overlap.measure.costs import Costs
from overlap.measure.plan import Plan, cost_factor, most_repeats
from overlap.records.rows import Row
from overlap.records.slow import SlowRows, rules_of


def _cases(rows: Sequence[Row]) -> dict[str, list[Row]]:
    cases: dict[str, list[Row]] = {}
    for row in rows:
        cases.setdefault(row.case_name, []).append(row)
    return cases


def _seconds(rows: Sequence[Row], blocks: int, also: dict[str, int]) -> float:
    """What the rows take over all blocks."""
    factors = [cost_factor(block, also) for block in range(blocks)]
    return sum(row.expected_s * sum(factors[: row.blocks or blocks]) for row in rows)


def announcement(head: dict[str, Any], costs: Costs, brief: bool = False) -> Iterator[str]:
    """The lines of the plan of a run with that head record, in which the rows' `expected_s` are
    what a plain sample costs; with `brief` without those on single rows."""
    rows = [Row.from_record(record) for record in head["rows"]]
    foreseen_s = {row.row: row.expected_s for row in rows if not row.skip}
    rows = list(map(SlowRows(rules_of(head), rows, foreseen_s).applied, rows))
    blocks, also = head["blocks"], head["also"]
    measured = [row for row in rows if not row.skip]
    whole_s = _seconds(measured, blocks, also)
    repeats = most_repeats(blocks, head["repeated_share"])
    again = f"{duration(repeats / blocks * whole_s)} more"
    yield (
        f"{head['profile']}: {blocks} blocks of {len(measured)} rows in {len(_cases(measured))} cases, "
        f"{duration(whole_s)}"
        + (f"; {again} at most to repeat what the machine disturbs" if repeats else "")
    )
    known = sum(costs.knows(row) for row in measured)
    guessed = len(measured) - known
    yield (
        f"time foreseen from earlier samples of {known} rows"
        + (f", guessed for {guessed}" if guessed else "")
        + "; "
        + "blocks with "
        + ", ".join(f"{what}: {number}" for what, number in also.items() if number)
    )
    machine = head["machine"]
    if words := quota_words(machine.get("cgroup_cpus"), machine["cores"]):
        yield f"{words}: ./scripts/doctor says what that costs"
    yield from _case_lines(measured, blocks, also)
    if brief:
        return
    yield from _reasons("not measured", [row for row in rows if row.skip], _cases(rows))
    fewer = [row for row in measured if (row.blocks or blocks) < blocks]
    yield from _reasons("in fewer blocks", fewer, _cases(rows))


def _case_lines(rows: Sequence[Row], blocks: int, also: dict[str, int]) -> Iterator[str]:
    cases = _cases(rows)
    width = max(map(len, cases), default=0)
    for case, of_case in cases.items():
        backends = [row for row in of_case if not row.placebo_of]
        placebo = next((row.placebo_of for row in of_case if row.placebo_of), "")
        block_s = sum(row.expected_s for row in of_case if row.blocks is None)
        yield (
            f"  {case:{width}}  {len(backends):3} backends, {block_s:5.1f} s a block, "
            f"{duration(_seconds(of_case, blocks, also)):>7}"
            + (f"; placebo: {placebo}" if placebo else "; no placebo")
        )


def _reasons(title: str, rows: Sequence[Row], of_cases: dict[str, list[Row]]) -> Iterator[str]:
    """One line for all rows of a case that have the same reason. Placebos share their backend's."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if not row.placebo_of:
            words = row.skip or f"{in_blocks(row.blocks)}: {row.because}"
            groups.setdefault((row.case_name, words), []).append(row.backend)
    if groups:
        yield f"{title}:"
    for (case, words), backends in groups.items():
        every = {row.backend for row in of_cases[case] if not row.placebo_of} == set(backends)
        names = "all backends" if every and len(backends) > 1 else ", ".join(backends)
        yield f"  {case} {names}: {words}"


def remainder(plan: Plan) -> str:
    left = plan.left()
    return f"{len(left)} samples to take, {duration(plan.seconds_left())}"
