"""Takes the benchmark binaries through a profile and prints one table a workload."""

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from overlap.base.building import build, reconfigure
from overlap.base.choices import UnknownName, pattern_option
from overlap.base.exits import CODES, INTERRUPTED_STATUS, RecordError, UsageError, guarded
from overlap.base.machine import ROOT, shown
from overlap.commands.own_servers import CLIENTS, add_options, servers_of_run
from overlap.commands.pages import write_page
from overlap.judge.knees import Bound
from overlap.measure.announcement import announcement, remainder
from overlap.measure.contamination import read_machine
from overlap.measure.costs import Costs, record_files
from overlap.measure.instructions import count_rows, why_no_instructions
from overlap.measure.knee import announced
from overlap.measure.measurement import Measurement, alone, plan_of
from overlap.measure.profiles import Profile, read_profiles, with_placebos
from overlap.measure.samples import utc_now
from overlap.measure.suite import (
    PROPERTIES,
    WORKLOADS,
    Suite,
    adopt_options,
    check_same_suite,
    make_head,
)
from overlap.measure.syscalls import why_no_syscalls
from overlap.peers.build import chosen_peers, digests, find_peers, prepare, prepared, written_down
from overlap.peers.manifest import ALL
from overlap.peers.ranks import RUNTIMES, prepare_ranks
from overlap.peers.ranks import written_down as ranks_written_down
from overlap.records.files import RecordWriter, Records, read_records
from overlap.records.rows import FAILURES, Row
from overlap.judge.series import from_records

if TYPE_CHECKING:
    from rich.console import Console

RESULTS = ROOT / "results" / "local"
PEERS = "peers"  # In a build directory.
RANKS = "mpi"
DEFAULTS = {"profile": "quick", "filter": "", "row_timeout": 60.0}
KNEE_DEFAULTS = {
    "profile": "curves",
    "filter": "^echo/knee@",
    "workloads": ROOT / "bench" / "curves.toml",
}
PROBLEMS_SHOWN = 10


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/run",
        description="Measures every backend on every case of the specification, each sample in a "
        "fresh process, and prints one table a workload. Records are kept as they are made.",
        epilog="C is concurrency: tasks in flight, averaged over the run. P is parallelism: cores "
        "kept busy. Exit codes: 0 measured; 1 a row crashed or gave a wrong result, or nothing was "
        f"measured; {CODES}.",
    )
    add = parser.add_argument
    add("--profile", metavar="NAME", help="smoke, quick (default), peers, standard or report")
    add("--plan", action="store_true", help="print what would be measured, and for how long; stop")
    add("--blocks", type=_positive, metavar="N", help="number of blocks instead of the profile's")
    add(
        "--filter",
        type=pattern_option,
        metavar="REGEX",
        help="only rows whose name matches somewhere",
    )
    add("--workload", metavar="NAMES", help="only these workloads, e.g. sleeps,echo")
    add("--case", metavar="NAMES", help="only these cases, e.g. 1k_empty,100x64")
    add("--backend", metavar="NAMES", help="only these backends, e.g. floor,coroutine:uring")
    add("--model", metavar="NAMES", help="only these models, e.g. 'event loop,fibers'")
    add("--language", metavar="NAMES", help="only what is written in these, e.g. C++,Go")
    add("--cores", metavar="LIST", help="run each case on so many cores, in turn, e.g. 1,2,4,all")
    add("--workloads", type=_path, metavar="FILE", help="another workload specification")
    add(
        "--knee",
        metavar="BOUND",
        help="search for the highest rate of echo at which a percentile of latency stays within a "
        "bound, e.g. p99:1ms; the rates are those of echo.knee in bench/curves.toml",
    )
    add(
        "--loop",
        metavar="NAMES",
        action="append",
        help="only these event loops, separated by commas; with a slash in it, as in ./libmy.so, "
        "also the loop in that plug-in",
    )
    add(
        "--peers",
        nargs="?",
        const=ALL,
        metavar="NAMES",
        help="also other people's runtimes: all of runtimes/peers, or these, e.g. asyncio,go",
    )
    add(
        "--mpi",
        metavar="HOSTS",
        help="also ranks of MPI: 'local', or local:4, on this machine; 'host1:8,host2:8', this one "
        "first; or a file of hosts",
    )
    add("--mpi-options", metavar="WORDS", help="also for mpirun, e.g. '--mca btl tcp,self'")
    add_options(add)
    add("--list", action="store_true", help="print the rows, and why some cannot run; measure none")
    add(
        "--verbose",
        "-v",
        action="store_true",
        help="also print what was not measured row by row, and tables in full width",
    )
    add("--resume", action="store_true", help="go on with the newest record file, or --output")
    add(
        "--instructions",
        action="store_true",
        help="when all blocks are done, also count instructions a task with valgrind's cachegrind "
        "(minutes; with --resume, of a finished run)",
    )
    add("--output", type=Path, metavar="FILE", help="record file instead of one in results/local/")
    add("--from", type=Path, dest="source", metavar="FILE", help="print an existing record file")
    add("--format", choices=("table", "markdown"), default="table", help="how tables are printed")
    add("--row-timeout", type=_seconds, metavar="SECONDS", help="of one sample (default: 60)")
    add("--no-repeats", action="store_true", help="do not run again what the machine disturbed")
    add("--seed", type=int, metavar="N", help="of the order within blocks; drawn if not given")
    add("--build", type=_path, metavar="DIR", help="use this build as it is instead of building")
    options = parser.parse_args(arguments)
    options.loop = ",".join(options.loop) if options.loop else None
    return options


MOST = 10**6  # Of anything that is counted here: more is a mistake.


def _positive(text: str) -> int:
    if len(text) > len(str(MOST)) or int(text) > MOST:
        raise argparse.ArgumentTypeError(f"{text[:30]} is more than {MOST:,}")
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 on")
    return int(text)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of seconds")
    return value


def _path(text: str) -> Path:
    try:
        return Path(text).resolve()
    except RuntimeError as error:  # A loop of symbolic links, until Python 3.13.
        raise UsageError(f"{text}: {error}") from error


def binary_arguments(
    options: argparse.Namespace, directory: Path, peers: Iterable[str]
) -> list[str]:
    """The options that the binaries of a build are given, for a list of rows as for a sample."""
    arguments = []
    if options.workloads:
        arguments.append(f"--workloads={options.workloads}")
    if options.loop:
        arguments.append(f"--loop={options.loop}")
    if options.cores:
        arguments.append(f"--cores={options.cores}")
    files = [str(written_down(directory / PEERS, name)) for name in peers if name not in RUNTIMES]
    if files:
        arguments.append(f"--peers={','.join(files)}")
    if options.mpi:
        ranks = [str(ranks_written_down(directory / RANKS, name)) for name in RUNTIMES]
        arguments.append(f"--mpi={','.join(ranks)}")
    return arguments


def built(options: argparse.Namespace) -> Path:
    """The build directory that was chosen, or the one of the release preset once that is built."""
    if options.build is not None:
        return options.build
    targets = [f"bench_{workload}" for workload in WORKLOADS] + ["echo_load"]
    return build("release", targets, ROOT / "build" / "run.log", show=True)


def open_suite(options: argparse.Namespace, servers: ExitStack | None = None) -> Suite:
    """With the servers that workloads need, where there is something to end them."""
    directory = built(options)
    peers = {}
    if options.peers is not None:
        peers = open_peers(directory / PEERS, options.peers, build_them=options.build is None)
    if options.mpi:
        peers |= open_ranks(options, directory)
    elif options.mpi_options:
        raise UsageError("--mpi-options go with --mpi")
    arguments = binary_arguments(options, directory, peers)
    # Who asks for some rows of a build of his own may have built no more than they need.
    some = options.build is not None and any(getattr(options, o) for o in ("filter", *PROPERTIES))
    suite = Suite.open(directory, arguments, peers, some)
    chosen = {row.workload for row in suite.chosen_rows(options)}
    if servers and chosen.intersection(CLIENTS):
        served = servers.enter_context(servers_of_run(options, directory, chosen))
        suite.serve(served, CLIENTS, arguments)
    return suite


def open_ranks(options: argparse.Namespace, directory: Path) -> dict[str, str]:
    """What the ranks that --mpi asks for are made from, by name."""
    log = ROOT / "build" / "run.log"
    if options.build is None and shutil.which("mpicc"):
        if not (directory / "bench" / "CMakeFiles" / "mpi_ranks.dir").exists():
            reconfigure("release", log)  # MPI was installed after the first build.
        build("release", ["mpi_ranks"], log, show=True)
    return prepare_ranks(
        options.mpi,
        options.mpi_options or "",
        (directory / RANKS).resolve(),
        directory.resolve() / "bench" / "mpi_ranks",
        options.workloads or directory.resolve() / "bench" / "workloads.toml",
        len(os.sched_getaffinity(0)),
    )


def open_peers(directory: Path, names: str, build_them: bool) -> dict[str, str]:
    """What the chosen peers were made from, by name, after building them where that is asked for."""
    if not build_them:
        return digests(directory, prepared(directory, names))
    chosen = chosen_peers(find_peers(), names)
    prepare(chosen, directory)
    return digests(directory, [peer.name for peer in chosen])


def records_to_resume(options: argparse.Namespace) -> Records:
    path = options.output
    if path is None:
        path = max(RESULTS.glob("*.jsonl"), default=None)  # Their names begin with the time.
    if path is None:
        raise UsageError(f"nothing to resume: no record file in {shown(RESULTS)}")
    records = read_named(path)
    if records.holds_another_run:
        raise UsageError(f"cannot resume {shown(path)}: it holds two runs")
    if records.cut_short:
        print(f"{shown(path)}: {records.cut_short} and is dropped", file=sys.stderr)
        records.cut_short = ""
    return records


def read_named(path: Path) -> Records:
    """Reads a record file, and says on standard error what in it is not sound."""
    records = read_records(path)
    for problem in records.problems[:PROBLEMS_SHOWN]:
        print(f"scripts/run: {problem}", file=sys.stderr)
    if len(records.problems) > PROBLEMS_SHOWN:
        more = len(records.problems) - PROBLEMS_SHOWN
        print(f"scripts/run: and {more} more such lines", file=sys.stderr)
    return records


def chosen_profile(options: argparse.Namespace) -> Profile:
    """With --blocks in place of its own, where that is given."""
    profiles = read_profiles()
    profile = profiles.get(options.profile)
    if profile is None:
        raise UsageError(f"--profile {options.profile}: expected one of {', '.join(profiles)}")
    why_not = why_no_syscalls() if profile.counted else ""
    if why_not:
        print(f"scripts/run: system calls are not counted: {why_not}", file=sys.stderr)
    counted = 0 if why_not else profile.counted
    return replace(profile, blocks=options.blocks or profile.blocks, counted=counted)


def planned_rows(
    options: argparse.Namespace, profile: Profile, suite: Suite, costs: Costs
) -> list[Row]:
    """What is measured and what is left out, placebos among them, with what a sample costs."""
    rows = costs.apply(with_placebos(profile.apply(suite.chosen_rows(options))))
    if all(row.skip.startswith("left out") for row in rows):
        raise UsageError(f"{rows[0].row}: {rows[0].skip}; --profile standard leaves nothing out")
    return rows


def print_records(records: Records, style: str, brief: bool) -> None:
    from rich.console import Console

    from overlap.show import curves, run_page

    console = Console(highlight=False)
    if style == "markdown":
        print(run_page.markdown(records), end="")
    else:
        run_page.print_terminal(records, console, brief)
    if tables := curves.tables_of(records):
        curves.print_tables(tables, style, console)
    if style != "markdown":
        print_answer(records, console)


def print_answer(records: Records, console: "Console") -> None:
    """What was best at which kind of work, in the words of the page."""
    from rich.text import Text

    from overlap.show.answer import answers
    from overlap.show.brief import WIDTH
    from overlap.show.grid import GAP, width_of, wrapped

    console.print()
    for answer in answers(from_records(records)):
        words = wrapped(answer.sentence(), min(width_of(console), WIDTH), GAP)
        console.print(Text(words), soft_wrap=True)


def print_list(rows: Sequence[Row]) -> None:
    width = max(len(row.row) for row in rows)
    for row in rows:
        print(f"{row.row:{width}}  {row.skip}".rstrip())


def run(options: argparse.Namespace) -> int:
    with ExitStack() as servers:
        return run_with(options, servers)


def run_with(options: argparse.Namespace, servers: ExitStack) -> int:
    if options.instructions and why_no_instructions():
        raise UsageError(f"--instructions: {why_no_instructions()}")
    read_machine()  # Where it cannot be read, nothing can be measured.
    resumed = records_to_resume(options) if options.resume else None
    if resumed:
        adopt_options(options, resumed)
    if options.knee is not None:
        Bound.parse(options.knee)
    for name, value in (DEFAULTS | (KNEE_DEFAULTS if options.knee else {})).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    try:
        suite = open_suite(options, servers)
    except UnknownName as error:
        if resumed is None:
            raise
        words = f"cannot resume {shown(resumed.path)}: the record's peer {error.name} is gone"
        raise UsageError(words) from error
    if options.list:
        print_list(suite.chosen_rows(options))
        return 0
    if resumed:
        check_same_suite(resumed, suite)
        return go_on(resumed, suite, options)
    profile = chosen_profile(options)
    costs = Costs(record_files())
    head = make_head(options, profile, planned_rows(options, profile, suite, costs), suite)
    plan = announcement(head, costs, brief=not (options.plan or options.verbose))
    if options.knee:
        plan = iter([announced(head)])
    print(*plan, sep="\n", file=sys.stdout if options.plan else sys.stderr)
    if options.plan:
        return 0
    path = options.output or RESULTS / f"{utc_now():%Y%m%dT%H%M%SZ}-{profile.name}.jsonl"
    with alone(suite.directory):
        return measure(Records(path, head), RecordWriter.create(path, head), suite, options)


def go_on(records: Records, suite: Suite, options: argparse.Namespace) -> int:
    left = remainder(plan_of(records, options.blocks or records.head["blocks"]))
    print(left, file=sys.stdout if options.plan else sys.stderr)
    if options.plan:
        return 0
    with alone(suite.directory):
        return measure(records, RecordWriter.resume(records), suite, options)


def measure(
    records: Records, writer: RecordWriter, suite: Suite, options: argparse.Namespace
) -> int:
    """Takes what samples are left and prints all that there are then."""
    interrupted = False
    try:
        plan = plan_of(records, options.blocks or records.head["blocks"])
        arguments = binary_arguments(options, suite.directory, suite.peers)
        Measurement(suite, records, writer, arguments, options.row_timeout).carry_out(plan)
        if options.instructions:
            count_rows(records, writer, suite, [*arguments, *suite.served.arguments])
    except KeyboardInterrupt:
        interrupted = True
    finally:
        writer.close()
    return conclude(records, options, interrupted)


def conclude(records: Records, options: argparse.Namespace, interrupted: bool) -> int:
    """Prints what there is and returns the exit code."""
    print_records(records, options.format, not options.verbose)
    print(f"records: {shown(records.path)}", file=sys.stderr)
    if interrupted:
        output = f" --output {options.output}" if options.output else ""
        print(f"interrupted; resume with ./scripts/run --resume{output}", file=sys.stderr)
        return INTERRUPTED_STATUS
    rows = from_records(records).series
    # Limits and time-outs are results; a crash, garbage or a wrong receipt is a failure.
    failed = any(row.error.startswith(FAILURES) for row in rows)
    if any(row.by_block for row in rows):
        make_page(records.path)
    return 1 if failed or not any(row.by_block for row in rows) else 0


def make_page(path: Path) -> None:
    """Beside the records; a run whose page cannot be written is a run all the same."""
    page = path.with_name(f"{path.name.removesuffix('.gz').removesuffix('.jsonl')}.html")
    try:
        write_page([path], page)
    except (UsageError, RecordError) as error:
        print(f"no page: {error}", file=sys.stderr)
    else:
        print(f"page: {shown(page)}", file=sys.stderr)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def act(options: argparse.Namespace) -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # As nohup leaves it.
            signal.signal(number, _interrupt)
    if not options.source:
        return run(options)
    records = read_named(options.source).only(options.filter or "")
    print_records(records, options.format, not options.verbose)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    return guarded("scripts/run", lambda: act(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
