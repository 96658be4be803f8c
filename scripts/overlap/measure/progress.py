"""Shows how far a run is: a bar on a terminal, a plain line now and then elsewhere.

Nothing is drawn in the background: a display that redraws itself would be foreign CPU time in every
sample. It goes to standard error, so that standard output holds the tables and nothing else.
"""

import sys
import time
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as RichProgress

from overlap.base.units import time_left
from overlap.measure.knee import KneePlan
from overlap.measure.plan import Plan, Step

PLAIN_PERIOD_S = 10.0


class Progress:
    """`show` before each sample, `redraw` while one runs, `close` at the end."""

    def __init__(self, plan: Plan | KneePlan, stream: TextIO | None = None) -> None:
        self._plan = plan
        self._stream = stream = stream or sys.stderr
        self._done = 0
        self._sample_begun = self._plain_line_at = 0.0
        self._bar: RichProgress | None = None
        console = Console(file=stream, highlight=False)
        if console.is_terminal:
            self._bar = RichProgress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("{task.fields[left]}"),
                console=console,
                auto_refresh=False,
                transient=True,
            )
            self._task = self._bar.add_task("", left="")
            self._bar.start()

    def show(self, step: Step) -> None:
        self._sample_begun = time.monotonic()
        total = self._done + len(self._plan.left())
        if self._bar:
            text = f"block {step.block + 1}/{self._plan.blocks} {step.row.row}"
            self._bar.update(
                self._task, description=text, completed=self._done, total=total, left=self._left()
            )
            self._bar.refresh()
        elif self._sample_begun >= self._plain_line_at:
            self._plain_line_at = self._sample_begun + PLAIN_PERIOD_S
            print(
                f"{self._done}/{total} samples, {self._left()}: {step.row.row}",
                file=self._stream,
                flush=True,
            )

    def redraw(self) -> None:
        if self._bar:
            self._bar.update(self._task, left=self._left())
            self._bar.refresh()

    def sample_done(self) -> None:
        self._done += 1

    def close(self) -> None:
        if self._bar:
            self._bar.stop()

    def _left(self) -> str:
        spent = time.monotonic() - self._sample_begun
        return time_left(self._plan.seconds_left() - spent)
