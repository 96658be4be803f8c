"""What scripts/choose measures, in two stages: the work itself on all that can run it, then its
neighbours on the few that are left to choose from. Each stage is a run as any other, of as many blocks
as there is time for."""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from overlap.base.exits import UsageError
from overlap.base.units import duration
from overlap.commands import run
from overlap.commands.own_servers import CLIENTS
from overlap.judge.claims import LEAST_COUNTS
from overlap.judge.statistics import least_blocks
from overlap.measure.measurement import Measurement, plan_of
from overlap.commands.own_work import HEARTBEAT, OwnCosts, Work, other_loops
from overlap.measure.plan import WEIGHED_FACTOR, cost_factor
from overlap.measure.profiles import Profile
from overlap.measure.suite import Served, Suite, make_head
from overlap.records.files import RecordWriter, Records
from overlap.records.models import model_of
from overlap.records.rows import Row
from overlap.records.slow import Slow

FOLDER = run.RESULTS / "choose"
PROFILE = "choose"
MOST_BLOCKS = 30
USUAL_BLOCKS = 9  # Enough for verdicts on a dozen backends.
MEMORY_S = 8.0
OVERTIME = 1.5  # So many blocks as can be judged may take that much longer than there was time.
LEAST_TIMEOUT_S = 20.0
LOOPS = "left out, since all loops would take more time than there is (--within)"


@dataclass(frozen=True)
class Asked:
    """What a stage has to know of the options."""

    metric: str  # That decides.
    peers: str | None
    build: Path | None
    step_s: float  # Of computing, on this machine.
    served: Served = field(default_factory=Served)  # What clients talk to.


@dataclass
class Stage:
    """Cases of one work in a file of their own, the rows to be measured, and for how long that may
    take. A verdict is wanted on those of one workload."""

    work: Work
    specification: Path
    within_s: float
    suite: Suite
    options: argparse.Namespace
    profile: Profile
    rows: list[Row]
    decides: str

    @property
    def runnable(self) -> list[Row]:
        return [row for row in self.rows if not row.skip]

    @property
    def least_blocks(self) -> int:
        """That can be judged."""
        compared = [r for r in self.runnable if r.workload == self.decides and not r.placebo_of]
        return least_blocks(max(1, len(compared) - 1))

    def seconds(self) -> float:
        """About how long it takes: what fits into the time, and one block in any case."""
        total_s = 0.0
        for block in range(self.profile.blocks):
            rows = [row for row in self.runnable if row.blocks is None or block < row.blocks]
            factor = cost_factor(block, {"memory": self.profile.memory})
            block_s = factor * sum(row.expected_s for row in rows)
            most_s = self.within_s * (OVERTIME if block < self.least_blocks else 1)
            if block and total_s + block_s > most_s:
                break
            total_s += block_s
        return total_s

    def left_out(self) -> Iterator[str]:
        """One line a reason."""
        reasons: dict[str, list[str]] = {}
        for row in self.rows:
            if row.skip.startswith("left out"):
                reasons.setdefault(row.skip, []).append(row.backend)
        for words, backends in reasons.items():
            yield f"{words}: {', '.join(dict.fromkeys(backends))}"


def cores_here() -> int:
    return len(os.sched_getaffinity(0))


def memory_apart(work: Work) -> bool:
    """Whether its memory is measured in a workload of its own, which times nothing."""
    figures = work.figures
    return figures["memory"] not in [figures[name] for name in figures if name != "memory"]


def of_work(asked: Asked, work: Work, path: Path, within_s: float) -> Stage:
    """The work itself, and beside a heartbeat. Where time is short, what does not decide is measured in
    one block, and a runtime on one loop alone."""
    apart = {work.figures["memory"]} if memory_apart(work) else set()
    workloads = [name for name in work.workloads() if name not in apart]
    stage = _open(asked, work, path, workloads, within_s)
    # One task after another holds up a heart for as long as it takes, and has nothing to choose.
    stage.rows = [r for r in stage.rows if r.workload != HEARTBEAT or r.backend != "sequential"]
    if sum(row.expected_s for row in stage.runnable) * USUAL_BLOCKS > within_s:
        others = set(other_loops(stage.rows))
        stage.rows = [replace(r, skip=LOOPS) if r.row in others else r for r in stage.rows]
        decides = workloads[0] if stage.decides in apart else stage.decides
        stage.rows = [r if r.workload == decides else _once(r) for r in stage.rows]
    if not apart:
        blocks = LEAST_COUNTS if asked.metric == "memory" else 1
        stage.profile = replace(stage.profile, traced=blocks, memory=blocks)
    return _shortened(stage, within_s / 4)


def of_memory(asked: Asked, work: Work, path: Path, backends: Sequence[str] = ()) -> Stage:
    """What a waiting task takes: counted rather than timed, three times where it decides."""
    stage = _open(asked, work, path, [work.figures["memory"]], MEMORY_S, *_only(backends))
    blocks = LEAST_COUNTS if asked.metric == "memory" else 1
    stage.profile = Profile(PROFILE, blocks, blocks, blocks, 0)
    if sum(row.expected_s for row in stage.runnable) * WEIGHED_FACTOR * blocks > MEMORY_S:
        others = set(other_loops(stage.rows))
        stage.rows = [replace(r, skip=LOOPS) if r.row in others else r for r in stage.rows]
    return _shortened(stage, MEMORY_S)


def of_neighbour(
    asked: Asked, work: Work, path: Path, within_s: float, backends: Sequence[str]
) -> Stage:
    """As the one case that decides, on few backends: so each may take longer."""
    if asked.metric == "memory":
        return of_memory(asked, work, path, backends)
    stage = _open(asked, work, path, [work.figures[asked.metric]], within_s, *_only(backends))
    return _shortened(stage, within_s)


def _only(backends: Sequence[str]) -> list[str]:
    return [f"--backend={','.join(backends)}"] if backends else []


def _once(row: Row) -> Row:
    return replace(row, blocks=1, because="it does not decide")


def _open(
    asked: Asked,
    work: Work,
    path: Path,
    workloads: Sequence[str],
    within_s: float,
    *only: str,
) -> Stage:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(work.table(name, asked.step_s) for name in workloads)
    path.write_text(text, encoding="utf-8")
    words = [f"--workloads={path}", f"--workload={','.join(workloads)}", f"--case={work.name}"]
    words += [f"--profile={PROFILE}", "--no-repeats"]
    words += [f"--build={asked.build}"] if asked.build else []
    words += [f"--peers={asked.peers}"] if asked.peers else []
    # What hangs must not take all the time there is.
    words += [f"--row-timeout={max(LEAST_TIMEOUT_S, within_s):g}", "--filter="]
    options = run.parse([*words, *only])
    try:
        suite = run.open_suite(options)
        if asked.served.arguments:
            arguments = run.binary_arguments(options, suite.directory, suite.peers)
            suite.serve(asked.served, CLIENTS, arguments)
    except UsageError:
        path.unlink()
        raise
    rows = OwnCosts([work], cores_here()).apply(suite.chosen_rows(options))
    # A row that alone takes a quarter of what a block may take has one sample: its cost.
    slow = Slow(max(0.05, within_s / USUAL_BLOCKS / 4), 1)
    profile = Profile(PROFILE, MOST_BLOCKS, 0, 0, 0, slow=(slow,))
    decides = work.figures[asked.metric]
    return Stage(work, path, within_s, suite, options, profile, rows, decides)


def _shortened(stage: Stage, longest_s: float) -> Stage:
    """Rows that would take too long have words instead, and there are placebos."""

    def applied(row: Row) -> Row:
        if row.skip or row.expected_s <= longest_s:
            return row
        return replace(row, skip=f"would take {duration(row.expected_s)} a sample")

    stage.rows = run.with_placebos([applied(row) for row in stage.rows])
    return stage


def cheapest_of_models(rows: Sequence[Row], most: int) -> list[str]:
    """The backends that are expected to be done first, one a model."""
    of_model: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: row.expected_s):
        if not row.placebo_of:
            of_model.setdefault(model_of(row), row.backend)
    return list(of_model.values())[:most]


def measure(stage: Stage) -> Records:
    """Takes one block, and then as many as there is time for."""
    head = make_head(stage.options, stage.profile, stage.rows, stage.suite)
    path = stage.specification.with_suffix(".jsonl")
    records, writer = Records(path, head), RecordWriter.create(path, head)
    arguments = run.binary_arguments(stage.options, stage.suite.directory, stage.suite.peers)
    taking = Measurement(stage.suite, records, writer, arguments, stage.options.row_timeout)
    try:
        taking.carry_out(plan_of(records, 1))
        taking.carry_out(plan_of(records, blocks_in(records, stage)))
    finally:
        writer.close()
    return records


def blocks_in(records: Records, stage: Stage) -> int:
    """How many blocks there can be in all; one is there. So many as can be judged may take longer, and
    what is counted rather than timed is had in few."""
    if stage.profile.memory == stage.profile.blocks:
        return stage.profile.blocks
    left_s = stage.within_s - sum(sample["duration_s"] for sample in records.samples)

    def fits(blocks: int, seconds: float) -> bool:
        return plan_of(records, blocks).seconds_left() <= seconds

    for blocks in range(stage.profile.blocks, stage.least_blocks, -1):
        if fits(blocks, left_s):
            return blocks
    over_s = left_s + (OVERTIME - 1) * stage.within_s
    if stage.least_blocks <= stage.profile.blocks and fits(stage.least_blocks, over_s):
        return stage.least_blocks
    fewer = range(min(stage.least_blocks, stage.profile.blocks + 1) - 1, 1, -1)
    return next((blocks for blocks in fewer if fits(blocks, left_s)), 1)
