"""Shows how far a run is and what it has seen: on a terminal a bar, and a table that fills as blocks come
in; elsewhere a plain line now and then.

Nothing is drawn in the background: a display that redraws itself would be foreign CPU time in every
sample. It goes to standard error, so that standard output holds the tables and nothing else.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as RichProgress
from rich.table import Table
from rich.text import Text

from overlap.base.units import in_blocks, plain, seconds, time_left
from overlap.measure.knee import KneePlan
from overlap.measure.plan import Plan, Step
from overlap.records.models import FLOOR, model_of
from overlap.records.rows import Row

PLAIN_PERIOD_S = 10.0
NO_CHOICE = (FLOOR, "sequential")
SHOWN = 3  # Backends of a case.


class SoFar:
    """The wall times of each case as they come in. Medians, and no verdicts: those wait for the end."""

    def __init__(self) -> None:
        self._walls: dict[str, dict[str, list[float]]] = {}
        self._blocks: dict[str, set[int]] = {}

    def add(self, row: Row, record: Mapping[str, Any]) -> None:
        wall_s = record.get("counters", {}).get("wall_s")
        if wall_s is None or record.get("gates") or row.placebo_of or model_of(row) in NO_CHOICE:
            return
        self._blocks.setdefault(row.case_name, set()).add(record["block"])
        of_case = self._walls.setdefault(row.case_name, {})
        of_case.setdefault(row.backend, []).append(wall_s)

    def cases(self) -> Iterator[str]:
        yield from self._walls

    def blocks(self, case: str) -> int:
        return len(self._blocks.get(case, ()))

    def words(self, case: str) -> str:
        """The backends that were done first, and by how much."""
        medians = {name: median(walls) for name, walls in self._walls[case].items()}
        first, *others = sorted(medians, key=lambda name: medians[name])
        words = [f"{first} {seconds(medians[first])}"]
        for name in others[: SHOWN - 1]:
            words.append(f"{name} ×{plain(medians[name] / medians[first])}")
        return ", ".join(words)

    def table(self) -> Table:
        table = Table("case", "blocks", "fastest so far", box=None, pad_edge=False)
        for case in self._walls:
            table.add_row(Text(case), str(self.blocks(case)), Text(self.words(case)))
        return table


class Progress:
    """`show` before each sample, `redraw` while one runs, `close` at the end."""

    def __init__(self, plan: Plan | KneePlan, stream: TextIO | None = None) -> None:
        self._plan = plan
        self._stream = stream = stream or sys.stderr
        self._done = 0
        self._row = ""
        self._sample_begun = self._plain_line_at = 0.0
        self._so_far = SoFar()
        self._part: tuple[str, int] | None = None  # The case and the block that are under way.
        self._bar: RichProgress | None = None
        self._live: Live | None = None
        console = Console(file=stream, highlight=False)
        if console.is_terminal:
            self._bar = RichProgress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[left]}"),
                console=console,
                auto_refresh=False,
            )
            self._task = self._bar.add_task("", left="")
            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()

    def show(self, step: Step) -> None:
        self._say_what_was_seen(step)
        self._sample_begun = time.monotonic()
        self._row = step.row.row
        if self._bar:
            total = self._done + len(self._plan.left())
            text = f"block {step.block + 1}/{self._plan.blocks} {step.row.row}"
            self._bar.update(
                self._task, description=text, completed=self._done, total=total, left=self._left()
            )
            self._draw()
        elif self._sample_begun >= self._plain_line_at:
            self._plain_line_at = self._sample_begun + PLAIN_PERIOD_S
            self._say(self._row)

    def redraw(self) -> None:
        now = time.monotonic()
        spent = f"{self._row} for {now - self._sample_begun:.0f} s"
        if self._bar:
            self._bar.update(self._task, description=spent, left=self._left())
            self._draw()
        elif now >= self._plain_line_at:
            self._plain_line_at = now + PLAIN_PERIOD_S
            self._say(spent)

    def _say(self, what: str) -> None:
        """Without a terminal."""
        total = self._done + len(self._plan.left())
        words = f"{self._done}/{total} samples, {self._left()}: {what}"
        print(words, file=self._stream, flush=True)

    def sample_done(self, step: Step, record: Mapping[str, Any]) -> None:
        self._done += 1
        self._so_far.add(step.row, record)

    def close(self) -> None:
        if self._live:
            self._live.stop()

    def _draw(self) -> None:
        assert self._live and self._bar
        self._live.update(Group(self._so_far.table(), self._bar), refresh=True)

    def _say_what_was_seen(self, step: Step) -> None:
        """Without a terminal: of a case that is done in this block, after 1, 2, 4 ... blocks."""
        part = (step.row.case_name, step.block)
        before, self._part = self._part, part
        if self._bar or before is None or before == part or before[0] not in self._so_far.cases():
            return
        blocks = self._so_far.blocks(before[0])
        if blocks & (blocks - 1) == 0:
            words = f"{before[0]} after {in_blocks(blocks)}: {self._so_far.words(before[0])}"
            print(words, file=self._stream, flush=True)

    def _left(self) -> str:
        spent = time.monotonic() - self._sample_begun
        return time_left(self._plan.seconds_left() - spent)
