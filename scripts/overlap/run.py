"""Takes the benchmark binaries through a profile and prints one table a workload."""

import argparse
import fcntl
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from overlap.building import BuildError, build
from overlap.machine import ROOT
from overlap.plan import Plan, Step
from overlap.records import RecordError, Records, RecordWriter, read_records
from overlap.sampling import Row, UsageError, take_sample, utc_now
from overlap.suite import (
    BLOCKS_OF_PROFILE,
    WORKLOADS,
    Suite,
    adopt_options,
    check_same_suite,
    make_head,
)

RESULTS = ROOT / "results" / "local"
DEFAULTS = {"profile": "quick", "filter": "", "row_timeout": 60.0}
SAMPLE_PROCESSES = 4  # A binary grants the row's limit to each: one measures, three are weighed.
INTERRUPTED_STATUS = 130  # As shells report SIGINT.


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/run",
        description="Measures every backend on every case of the specification, each sample in a "
        "fresh process, and prints one table a workload. Records are kept as they are made.",
        epilog="C is concurrency: tasks in flight, averaged over the run. P is parallelism: cores "
        "kept busy. Exit codes: 0 measured; 1 a row crashed or gave a wrong result, or nothing was "
        "measured; 2 the run was asked wrongly; 130 interrupted.",
    )
    add = parser.add_argument
    add("--profile", choices=BLOCKS_OF_PROFILE, help="smoke: 1 block; quick: 3 blocks (default)")
    add("--blocks", type=_positive, metavar="N", help="number of blocks instead of the profile's")
    add("--filter", type=_pattern, metavar="REGEX", help="only rows whose name matches somewhere")
    add("--workloads", type=_path, metavar="FILE", help="another workload specification")
    add("--loop", metavar="NAMES", help="which event loops, as the binaries take it")
    add("--list", action="store_true", help="print the rows, and why some cannot run; measure none")
    add("--resume", action="store_true", help="go on with the newest record file, or --output")
    add("--output", type=Path, metavar="FILE", help="record file instead of one in results/local/")
    add("--from", type=Path, dest="source", metavar="FILE", help="print an existing record file")
    add("--format", choices=("table", "markdown"), default="table", help="how tables are printed")
    add("--row-timeout", type=_seconds, metavar="SECONDS", help="of one sample (default: 60)")
    add("--seed", type=int, metavar="N", help="of the order within blocks; drawn if not given")
    add("--build", type=Path, metavar="DIR", help="use this build as it is instead of building")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 on")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of seconds")
    return value


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text} is no regular expression: {error}") from error
    return text


def _path(text: str) -> str:
    return str(Path(text).resolve())


def binary_arguments(options: argparse.Namespace) -> list[str]:
    """The options that the binaries are given, for a list of rows as for a sample."""
    arguments = []
    if options.workloads:
        arguments.append(f"--workloads={options.workloads}")
    if options.loop:
        arguments.append(f"--loop={options.loop}")
    return arguments


def open_suite(options: argparse.Namespace) -> Suite:
    directory = options.build
    if directory is None:
        targets = [f"bench_{workload}" for workload in WORKLOADS] + ["echo_load"]
        directory = build("release", targets, ROOT / "build" / "run.log", show=True)
    return Suite.open(directory, binary_arguments(options))


def records_to_resume(options: argparse.Namespace) -> Records:
    path = options.output
    if path is None:
        path = max(RESULTS.glob("*.jsonl"), default=None)  # Their names begin with the time.
    if path is None:
        raise UsageError(f"nothing to resume: no record file in {_shown(RESULTS)}")
    records = read_records(path)
    if records.cut_short:
        print(f"{_shown(path)}: {records.cut_short} and is dropped", file=sys.stderr)
        records.cut_short = ""
    return records


def new_records(options: argparse.Namespace, suite: Suite) -> tuple[Records, RecordWriter]:
    head = make_head(options, suite)
    path = options.output or RESULTS / f"{utc_now():%Y%m%dT%H%M%SZ}-{options.profile}.jsonl"
    writer = RecordWriter.create(path, head)
    return Records(path, head), writer


class Run:
    """A plan being carried out: each sample is recorded before the next one is taken."""

    def __init__(
        self, suite: Suite, records: Records, writer: RecordWriter, arguments: list[str]
    ) -> None:
        self._suite = suite
        self._records = records
        self._writer = writer
        self._row_timeout_s = records.head["row_timeout_s"]
        self._arguments = [*arguments, f"--row_timeout={self._row_timeout_s:g}"]

    def measure(self, blocks: int) -> None:
        from overlap.progress import Progress  # Needs rich, which --help must not.

        head = self._records.head
        plan = Plan([Row.from_record(row) for row in head["rows"]], blocks, head["seed"])
        for record in self._records.samples:
            plan.add(record)
        progress = Progress(plan)
        try:
            for step in plan.steps():
                progress.show(step)
                plan.add(self._take(step, progress.redraw))
                progress.sample_done()
        finally:
            progress.close()

    def _take(self, step: Step, waiting: Callable[[], None]) -> dict[str, object]:
        row = step.row
        # Concurrency needs a traced run and memory several sizes: the first block pays for both.
        leaner = [] if step.block == 0 else ["--trace=off", "--memory=off"]
        sample = take_sample(
            self._suite.binary(row.workload),
            row.row,
            [*self._arguments, *leaner],
            # Well beyond what a binary grants the row, so that this end is for hung processes.
            SAMPLE_PROCESSES * self._row_timeout_s + 1,
            waiting,
        )
        contexts = self._records.head.setdefault("context", {})
        if sample.context and row.workload not in contexts:
            contexts[row.workload] = sample.context
            context = {"workload": row.workload, "context": sample.context}
            self._writer.append({"kind": "context", **context})
        names = {name: getattr(row, name) for name in ("row", "workload", "case", "backend")}
        place = {"block": step.block, "position": step.position, "attempt": step.attempt}
        record = {"kind": "sample", **names, **place, **sample.to_record()}
        self._writer.append(record)
        self._records.samples.append(record)
        return record


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Two runs at once would measure each other."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise UsageError(f"another run is measuring with {_shown(directory)}") from None
    finally:
        os.close(descriptor)


def print_records(records: Records, style: str) -> None:
    from rich.console import Console

    from overlap import rendering

    if style == "markdown":
        print(rendering.markdown(records), end="")
    else:
        rendering.print_terminal(records, Console(highlight=False))


def print_list(rows: Sequence[Row]) -> None:
    width = max(len(row.row) for row in rows)
    for row in rows:
        print(f"{row.row:{width}}  {row.skip}".rstrip())


def run(options: argparse.Namespace) -> int:
    resumed = records_to_resume(options) if options.resume else None
    if resumed:
        adopt_options(options, resumed)
    for name, value in DEFAULTS.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    suite = open_suite(options)
    if options.list:
        print_list(suite.chosen_rows(options.filter))
        return 0
    with alone(suite.directory):
        if resumed:
            check_same_suite(resumed, suite)
            records, writer = resumed, RecordWriter.resume(resumed)
        else:
            records, writer = new_records(options, suite)
        interrupted = False
        try:
            run_now = Run(suite, records, writer, binary_arguments(options))
            run_now.measure(options.blocks or records.head["blocks"])
        except KeyboardInterrupt:
            interrupted = True
        finally:
            writer.close()
    return conclude(records, options, interrupted)


def conclude(records: Records, options: argparse.Namespace, interrupted: bool) -> int:
    """Prints what there is and returns the exit code."""
    from overlap.tables import samples_of_rows

    print_records(records, options.format)
    print(f"records: {_shown(records.path)}", file=sys.stderr)
    if interrupted:
        output = f" --output {options.output}" if options.output else ""
        print(f"interrupted; resume with ./scripts/run --resume{output}", file=sys.stderr)
        return INTERRUPTED_STATUS
    rows = samples_of_rows(records).values()
    # Limits and time-outs are results; a crash, garbage or a wrong receipt is a failure.
    failures = ("crashed", "failed", "unreadable", "wrong")
    failed = any(row.error.startswith(failures) for row in rows)
    return 1 if failed or not any(row.by_block for row in rows) else 0


def _shown(path: Path) -> Path:
    path = path.resolve()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # As nohup leaves it.
            signal.signal(number, _interrupt)
    try:
        if options.source:
            print_records(read_records(options.source).only(options.filter or ""), options.format)
            status = 0
        else:
            status = run(options)
        sys.stdout.flush()
        return status
    except (UsageError, RecordError) as error:
        print(f"scripts/run: {error}", file=sys.stderr)
        return 2
    except (PermissionError, FileNotFoundError, NotADirectoryError) as error:
        print(f"scripts/run: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except BuildError as error:
        print(f"scripts/run: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED_STATUS
    except BrokenPipeError:
        # Whoever read the output has seen enough. Python must not try to flush the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main())
