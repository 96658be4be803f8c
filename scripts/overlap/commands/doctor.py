"""Can this machine measure? What it has and lacks, how far apart equal things come out, and how often
they are called different."""

import argparse
import math
import random
import sys
import textwrap
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from overlap.base.building import build
from overlap.base.exits import CODES, UsageError, guarded
from overlap.base.machine import ROOT
from overlap.base.units import share
from overlap.measure.contamination import FOREIGN_LIMIT, STEAL_LIMIT, contamination, read_machine
from overlap.measure.diagnosis import CHECKS, Finding, Level, finding
from overlap.measure.measurement import alone
from overlap.measure.profiles import reference_of
from overlap.measure.plan import REPEATED_SHARE
from overlap.measure.samples import list_rows, take_sample
from overlap.records.rows import Row

GOOD_STATUS, LIMITED_STATUS, UNSTABLE_STATUS = 0, 1, 3
CASE = "1k_empty"
ROW_TIMEOUT_S = 20.0
LEAST_PAIRS = 6  # Below, no interval can be had.
QUICK_BLOCKS, QUICK_COMPARISONS = 12, 12
VISIBLE_LIMIT = 0.10  # A difference of so much should not escape the quick profile.
PLACEBO_LACKS = "without it nothing is known of this machine's noise"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/doctor",
        description="Says what this machine has and lacks for measuring, what each lack costs, and "
        "how far apart two runs of the same thing come out: its noise.",
        epilog="Exit codes: 0 it can measure all there is; 1 it can, with the limits named; 3 it is "
        f"too unstable for its figures to be worth much; {CODES}.",
    )
    add = parser.add_argument
    add("--seconds", type=_seconds, default=60.0, help="how long to look for noise (default: 60)")
    add("--build", type=Path, metavar="DIR", help="use this build as it is instead of building")
    add(
        "--false-alarms",
        type=Path,
        metavar="FILE",
        help="instead: cut this record into repetitions, and count how often its placebo differs "
        "from what it repeats; 1 if in more than 5%% of at least 40, 3 if there are fewer",
    )
    add(
        "--blocks",
        type=int,
        default=QUICK_BLOCKS,
        metavar="N",
        help="of each repetition for --false-alarms (default: 12)",
    )
    add("--format", choices=("terminal", "markdown"), default="terminal", help="of --false-alarms")
    return parser.parse_args(arguments)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds from 0 to 3600")
    return value


@dataclass
class Watched:
    """What a stretch of time showed: ratios of placebo to reference, as logarithms, and the rest
    of the machine."""

    row: str
    ratios: list[float] = field(default_factory=list)
    samples: int = 0
    dirty: int = 0
    steal_share: float = 0.0
    foreign_share: float = 0.0


def watch(binary: Path, seconds: float) -> Watched:
    """Takes pairs of samples of one row, as a run takes its reference and its placebo, for so
    many seconds. Raises UsageError if the row cannot be measured."""
    row = _reference(binary)
    watched = Watched(row.row)
    chance = random.Random()
    begun, before, cpu_s = time.monotonic(), read_machine(), 0.0
    while time.monotonic() < begun + seconds:
        walls = {}
        for which in chance.sample(("reference", "placebo"), 2):
            sample = take_sample(binary, row.row, ["--trace=off", "--memory=off"], ROW_TIMEOUT_S)
            if sample.error:
                raise UsageError(f"{row.row}: {sample.error}")
            walls[which] = sample.counters["wall_s"]
            cpu_s += sample.cpu_s
            watched.samples += 1
            watched.dirty += bool(sample.contamination["dirty"])
        watched.ratios.append(math.log(walls["placebo"] / walls["reference"]))
    seen = contamination(before, read_machine(), cpu_s)
    watched.steal_share = float(str(seen["steal_share"]))
    watched.foreign_share = float(str(seen["foreign_cpu_share"]))
    return watched


def _reference(binary: Path) -> Row:
    rows = list_rows(binary, []).rows
    of_case = [row for row in rows if row.case == CASE] or rows
    row = reference_of(of_case)
    if row is None:
        raise UsageError(f"{binary}: no row of a reference backend can be measured")
    return row


def noise(watched: Watched) -> list[Finding]:
    """What the stretch of time says of the machine."""
    return [_placebo(watched), _steal(watched), _foreign(watched), _disturbed(watched)]


def _placebo(watched: Watched) -> Finding:
    import numpy as np

    from overlap.judge.statistics import paired
    from overlap.judge.verdicts import noise_of

    pairs = len(watched.ratios)
    if pairs < LEAST_PAIRS:
        found = f"{pairs} pairs of samples, {LEAST_PAIRS} needed: try more --seconds"
        return Finding("placebo", found, PLACEBO_LACKS, Level.LIMIT)
    estimates = paired(np.array([watched.ratios]))
    seen = noise_of(estimates, 1)
    typical = float(np.median(np.abs(watched.ratios)))
    low, high = (math.expm1(float(bound[0])) for bound in (estimates.low, estimates.high))
    found = (
        f"{watched.row} against itself, {pairs} pairs: {low:+.1%} to {high:+.1%} in the middle, a "
        f"pair typically {math.expm1(typical):.1%} apart"
    )
    if seen.unstable:
        costs = "equal things come out different: every verdict would be withheld"
        return Finding("placebo", found, costs, Level.UNSTABLE)
    visible = _visible_in_quick(noise_of(estimates, QUICK_COMPARISONS).visible, pairs)
    if visible is None:
        return Finding("placebo", found, "too few pairs for more; try more --seconds", Level.LIMIT)
    found += f"; the quick profile would see differences from about {visible:.0%} on"
    costs = "smaller differences stay unknown; take more blocks, or a quieter hour"
    return finding("placebo", found, costs, lacks=visible > VISIBLE_LIMIT)


def _visible_in_quick(visible: float | None, pairs: int) -> float | None:
    """Intervals shrink with the square root of the number of pairs, and the quick profile has
    fewer."""
    return None if visible is None else math.expm1(visible * math.sqrt(pairs / QUICK_BLOCKS))


def _steal(watched: Watched) -> Finding:
    found = f"{share(watched.steal_share)} of the cores' time went to other virtual machines"
    costs = f"over {share(STEAL_LIMIT)}: samples are dirty; try another hour or another machine"
    return finding("steal", found, costs, lacks=watched.steal_share > STEAL_LIMIT)


def _foreign(watched: Watched) -> Finding:
    found = f"{share(watched.foreign_share)} of the cores' time went to other programs"
    costs = f"over {share(FOREIGN_LIMIT)}: samples are dirty; end what else runs here"
    return finding("foreign CPU", found, costs, lacks=watched.foreign_share > FOREIGN_LIMIT)


def _disturbed(watched: Watched) -> Finding:
    part = watched.dirty / watched.samples if watched.samples else 0.0
    found = f"{share(part)} of {watched.samples} samples were dirty"
    costs = f"more than the {share(REPEATED_SHARE)} that a run takes again"
    return finding("disturbed", found, costs, part > REPEATED_SHARE, Level.UNSTABLE)


def status_of(findings: Sequence[Finding]) -> int:
    levels = {finding.level for finding in findings}
    if Level.UNSTABLE in levels:
        return UNSTABLE_STATUS
    return LIMITED_STATUS if Level.LIMIT in levels else GOOD_STATUS


VERDICTS = {
    GOOD_STATUS: "This machine can measure all there is.",
    LIMITED_STATUS: "This machine can measure, within the limits above.",
    UNSTABLE_STATUS: "This machine is too unstable now: its figures would not be worth much.",
}
COLOURS = {Level.GOOD: "green", Level.NOTE: "cyan", Level.LIMIT: "yellow", Level.UNSTABLE: "red"}


def print_findings(findings: Sequence[Finding]) -> None:
    """Fits a terminal's width; output that is no terminal is never cut."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    width = console.width if console.is_terminal else 10_000
    for each in findings:
        start = Text.assemble(
            (f"{each.level.value:8}  ", COLOURS[each.level]), f"{each.subject:17}  "
        )
        indent = " " * start.cell_len
        words = [each.found, *([f"costs: {each.costs}"] if each.costs else [])]
        lines = [
            textwrap.fill(line, width, initial_indent=indent, subsequent_indent=indent)
            for line in words
        ]
        console.print(start + Text("\n".join(lines)[len(indent) :]), soft_wrap=True)
    verdict = textwrap.fill(VERDICTS[status_of(findings)], width)
    console.print(verdict, style="bold", soft_wrap=True)


def count_false_alarms(options: argparse.Namespace) -> int:
    from overlap.judge import false_alarms
    from overlap.judge.metrics import METRICS
    from overlap.judge.series import read_source
    from overlap.show import grid

    if options.blocks < 1:
        raise UsageError(f"--blocks {options.blocks}: expected a number of blocks")
    source = read_source(options.false_alarms).seen_by(METRICS["wall"])
    found = list(false_alarms.count_false_alarms([source], options.blocks))
    if not found:
        raise UsageError(f"no placebo with {options.blocks} blocks in {source.path}")
    table = grid.table(*false_alarms.table(found))
    print(*(grid.markdown(table) if options.format == "markdown" else grid.plain(table)), sep="\n")
    for few in (alarms for alarms in found if not alarms.enough):
        words = f"{few.repetitions} repetitions, expected at least {false_alarms.LEAST_REPETITIONS}"
        print(f"scripts/doctor: {few.case}: {words}", file=sys.stderr)
    if not all(alarms.enough for alarms in found):
        return UNSTABLE_STATUS
    return GOOD_STATUS if all(alarms.sound for alarms in found) else LIMITED_STATUS


def examine(options: argparse.Namespace) -> int:
    if options.false_alarms:
        return count_false_alarms(options)
    directory = options.build or build(
        "release", ["bench_gather"], ROOT / "build" / "doctor.log", show=True
    )
    findings = [check() for check in CHECKS]
    print(f"looking for noise for {options.seconds:g} s ...", file=sys.stderr, flush=True)
    with alone(directory):
        watched = watch(directory / "bench" / "bench_gather", options.seconds)
    findings += noise(watched)
    print_findings(findings)
    return status_of(findings)


def main(arguments: Sequence[str] | None = None) -> int:
    return guarded("scripts/doctor", lambda: examine(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
