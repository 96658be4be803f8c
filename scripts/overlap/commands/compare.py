"""Says which differences between results are real, and how sure that is."""

import argparse
import json
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from overlap.base.exits import UsageError, guarded
from overlap.commands.documents import DocumentError, Documents
from overlap.judge.comparison import (
    BACKEND_PLACES,
    PLACES,
    RUN_PLACES,
    Comparison,
    Question,
    compare,
    exit_code,
)
from overlap.judge.metrics import METRICS, Metric
from overlap.judge.series import Source, read_source
from overlap.judge.verdicts import Verdict
from overlap.records import google_benchmark
from overlap.records.files import Records, read_records
from overlap.show import exports
from overlap.show.run_page import measured
from overlap.show.overview import overview

PROFILE_BLOCKS = 12  # Of the quick profile.
PROBLEMS_SHOWN = 20  # Of one file.
FORMATS = ("terminal", "markdown", "csv", "json", "gbench")

EXAMPLES = """examples:
  scripts/compare RUN.jsonl                                  its backends against each case's reference
  scripts/compare RUN.jsonl --baseline thread_pool --metric cpu --filter gather/
  scripts/compare RUN.jsonl --baseline epoll --column loop --row runtime
  scripts/compare BEFORE.jsonl AFTER.jsonl --fail-if 'slower:5%'
  scripts/compare RUN.jsonl --column case --format markdown
  scripts/compare --check

exit codes, of which all but 0 and 2 are for --fail-if: 0 fine; 1 the condition is met; 2 asked
wrongly; 3 the machine was too unstable, or the blocks are too few, to say; 4 a result is wrong or
missing because a row crashed"""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/compare",
        description="Compares results: the backends of one record file, or several files. Each "
        "cell has a ratio, its 95%% interval and a verdict. results/README.md says how they are made.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("files", nargs="*", type=Path, metavar="FILE", help="records, or Google Benchmark's JSON")
    add("--metric", choices=METRICS, default="wall", help="what is compared (default: wall)")
    add(
        "--baseline",
        default="",
        metavar="[PLACE=]NAME",
        help="what the others are compared with: a backend, file, commit, machine, profile, "
        "runtime or loop (default: each case's reference; of several files the first)",
    )
    add("--reference", default="", metavar="BACKEND", help="the backend that links several runs")
    add("--row", choices=PLACES, help="what the rows of a two-way table are")
    add("--column", choices=PLACES, help="what its columns are")
    add("--filter", default="", metavar="REGEX", help="only rows whose name matches somewhere")
    add("--format", choices=FORMATS, default="terminal", help="how it is printed")
    add("--fail-if", metavar="VERDICT:SIZE", help="set the exit code, e.g. 'slower:5%%'")
    other = parser.add_argument_group("instead of a comparison")
    modes = other.add_mutually_exclusive_group()
    modes.add_argument(
        "--measured",
        metavar="CASE",
        help="print what FILE holds of one case, or its head line (head), as Markdown",
    )
    modes.add_argument(
        "--overview",
        metavar="CASE:METRIC,...",
        help="print one table of FILE with a column for each of these figures, as Markdown",
    )
    modes.add_argument(
        "--peers-ahead",
        action="store_true",
        help="print where in FILE a peer needs less than the suite's best backend of its model",
    )
    modes.add_argument(
        "--plane",
        type=Path,
        metavar="PATH",
        help="draw concurrency against parallelism as PATH.svg and .png, and PATH-dark likewise",
    )
    modes.add_argument(
        "--false-alarms",
        action="store_true",
        help="cut FILE into repetitions, and count how often a placebo differs from what it "
        "repeats; 1 if in more than 5%% of at least 40",
    )
    modes.add_argument(
        "--check",
        action="store_true",
        help="make every generated table and figure of the documents again; 1 if one differs",
    )
    modes.add_argument("--update", action="store_true", help="rewrite those that differ")
    other.add_argument(
        "--blocks",
        type=int,
        default=PROFILE_BLOCKS,
        metavar="N",
        help="of each repetition for --false-alarms (default: 12)",
    )
    return parser.parse_args(arguments)


def parse_condition(text: str, metric: Metric) -> tuple[Verdict, float]:
    """`slower:5%` as a verdict and the logarithm of the ratio that it must pass."""
    found = re.fullmatch(r"([a-z]+)(?::([0-9]*\.?[0-9]+)%)?", text.strip())
    verdicts = {word: verdict for verdict, word in metric.words.items()}
    if not found or found[1] not in verdicts:
        words = " or ".join(verdicts)
        raise UsageError(
            f"--fail-if {text!r}: expected {words} (of the metric {metric.name}) and a size, "
            f"such as '{next(reversed(verdicts))}:5%'"
        )
    return verdicts[found[1]], math.log1p(float(found[2] or 5) / 100)


def read_sources(options: argparse.Namespace) -> list[Source]:
    try:
        re.compile(options.filter)
    except re.error as error:
        raise UsageError(
            f"--filter {options.filter!r} is no regular expression: {error}"
        ) from error
    if not options.files:
        raise UsageError("nothing to compare: name at least one record file")
    metric = METRICS[options.metric]
    sources = [read_source(path).seen_by(metric) for path in options.files]
    for source in sources:
        if not source.series:
            raise UsageError(f"{source.path}: holds no rows")
    if not any(re.search(options.filter, s.name) for source in sources for s in source.series):
        raise UsageError(f"--filter {options.filter!r} matches no row of these files")
    _name_apart(sources)
    return sources


def _name_apart(sources: list[Source]) -> None:
    """Files are called by their names, or where these are equal by their paths and a number."""
    names = [source.path.stem for source in sources]
    for i, source in enumerate(sources):
        if names.count(names[i]) == 1:
            continue
        name = str(source.path)
        earlier = sum(str(other.path) == name for other in sources[:i])
        source.places["file"] = f"{name}#{earlier + 1}" if earlier else name
        for series in source.series:
            series.places["file"] = source.places["file"]


def values_at(place: str, sources: Sequence[Source]) -> list[str]:
    if place in RUN_PLACES:
        return list(dict.fromkeys(source.places[place] for source in sources))
    series = (s for source in sources for s in source.series if not s.placebo_of)
    return list(dict.fromkeys(s.places[place] for s in series if s.places[place]))


def _matching(name: str, place: str, sources: Sequence[Source]) -> str | None:
    """The value at a place that is meant: itself, the start of a commit, or the path of a file."""
    values = values_at(place, sources)
    if name in values:
        return name
    if place == "commit" and len(name) >= 4:
        return next((value for value in values if value.startswith(name[:10])), None)
    if place == "file":
        paths = {str(source.path): source.places["file"] for source in sources}
        return paths.get(name) or paths.get(str(Path(name)))
    return None


def resolve_baseline(options: argparse.Namespace, sources: Sequence[Source]) -> tuple[str, str]:
    """The place along which is compared, and the baseline there (empty: the reference)."""
    several = len(sources) > 1
    if not options.baseline:
        comparable = (*RUN_PLACES, *BACKEND_PLACES)
        place = options.column if options.column in comparable else ""
        place = place or ("file" if several else "backend")
        if place == "backend":
            return place, ""
        values = values_at(place, sources)
        if len(values) < 2:
            raise UsageError(f"nothing to compare: only one {place}, {', '.join(values) or 'none'}")
        return place, values[0]
    place, separator, name = options.baseline.partition("=")
    places = [place] if separator else [*BACKEND_PLACES, *RUN_PLACES]
    name = name if separator else options.baseline
    if places[0] not in (*RUN_PLACES, *BACKEND_PLACES):
        raise UsageError(
            f"--baseline {options.baseline!r}: {places[0]} is none of "
            f"{', '.join((*BACKEND_PLACES, *RUN_PLACES))}"
        )
    for place in places:
        found = _matching(name, place, sources)
        if found is not None:
            return place, found
    known = ", ".join(values_at(places[0], sources))
    raise UsageError(f"--baseline {options.baseline!r}: not found; {places[0]}s here: {known}")


def make_question(options: argparse.Namespace, sources: Sequence[Source]) -> Question:
    metric = METRICS[options.metric]
    place, baseline = resolve_baseline(options, sources)
    backends = values_at("backend", sources)
    if options.reference and options.reference not in backends:
        raise UsageError(
            f"--reference {options.reference!r}: not found; backends here: {', '.join(backends)}"
        )
    if options.row and options.row == options.column:
        raise UsageError(f"--row and --column are both {options.row}")
    condition = parse_condition(options.fail_if, metric) if options.fail_if else None
    return Question(metric, place, baseline, options.reference, options.filter, condition)


def print_comparison(comparison: Comparison, options: argparse.Namespace) -> None:
    from rich.console import Console

    from overlap.show import verdict_page

    layout = (options.row or "", options.column or "")
    if options.format == "json":
        print(exports.to_json(comparison), end="")
    elif options.format == "csv":
        print(exports.to_csv(comparison), end="")
    elif options.format == "markdown":
        print(verdict_page.markdown(comparison, *layout), end="")
    else:
        verdict_page.print_terminal(comparison, Console(highlight=False), *layout)


def print_google_benchmark(sources: Sequence[Source]) -> None:
    if len(sources) != 1 or sources[0].records is None:
        raise UsageError("--format gbench writes one record file; compare.py reads two of them")
    records = sources[0].records
    result = google_benchmark.to_result(records.head, records.samples)
    print(json.dumps(result, indent=1, allow_nan=False))


def print_problems(sources: Sequence[Source]) -> None:
    """On standard error, so that what is printed stays a table."""
    for source in sources:
        problems = source.records.problems if source.records else []
        shown = problems[:PROBLEMS_SHOWN]
        if len(problems) > len(shown):
            shown.append(f"{source.path}: ... and {len(problems) - len(shown)} more lines")
        for problem in shown:
            print(f"scripts/compare: {problem}", file=sys.stderr)


def one_file(options: argparse.Namespace, option: str) -> Records:
    if len(options.files) != 1:
        raise UsageError(f"{option} takes one record file, found {len(options.files)}")
    return read_records(options.files[0])


def check_documents(*, write: bool) -> int:
    from overlap.commands import claims, run as scripts_run

    commands = {
        "./scripts/claims": claims.main,
        "./scripts/compare": main,
        "./scripts/run": scripts_run.main,
    }
    found = Documents(commands)
    try:
        lines = found.update() if write else found.check()
    except DocumentError as error:
        lines = [str(error)]
        write = False
    print(*lines, sep="\n", end="\n" if lines else "")
    if not found.blocks:
        print("no document has a generated block")
    elif not lines:
        print(f"{found.blocks} generated blocks are what their commands make of the records")
    return 0 if found.blocks and (write or not lines) else 1


def print_false_alarms(options: argparse.Namespace) -> int:
    from overlap.show import grid
    from overlap.judge.false_alarms import LEAST_REPETITIONS, count_false_alarms, table

    blocks = options.blocks
    sources = read_sources(options)
    if blocks < 1:
        raise UsageError(f"--blocks {blocks}: expected a number of blocks")
    found = list(count_false_alarms(sources, blocks))
    if not found:
        raise UsageError(f"no placebo with {blocks} blocks in {sources[0].path}")
    lines = grid.table(*table(found))
    shown = grid.markdown(lines) if options.format == "markdown" else grid.plain(lines)
    print(*shown, sep="\n")
    for few in (alarms for alarms in found if not alarms.enough):
        print(
            f"scripts/compare: {few.case}: {few.repetitions} repetitions, expected at least "
            f"{LEAST_REPETITIONS}",
            file=sys.stderr,
        )
    if not all(alarms.enough for alarms in found):
        return 3
    return 0 if all(alarms.sound for alarms in found) else 1


def run(options: argparse.Namespace) -> int:
    if options.check or options.update:
        return check_documents(write=options.update)
    if options.plane:
        from overlap.show import plane

        records = one_file(options, "--plane").only(options.filter)
        print(*plane.draw(records, options.plane), sep="\n")
        return 0
    if options.false_alarms:
        return print_false_alarms(options)
    if options.measured:
        print(measured(one_file(options, "--measured"), options.measured), end="")
        return 0
    if options.overview is not None:
        print(overview(one_file(options, "--overview"), options.overview), end="")
        return 0
    if options.peers_ahead:
        from overlap.show.overview import standing

        print(standing(one_file(options, "--peers-ahead")), end="")
        return 0
    sources = read_sources(options)
    print_problems(sources)
    if options.format == "gbench":
        print_google_benchmark(sources)
        return 0
    comparison = compare(sources, make_question(options, sources))
    if not comparison.judged and not options.fail_if:
        words = next((c.words for case in comparison.cases for c in case.cells if c.words), "")
        raise UsageError(f"nothing to compare: {words or 'only the baseline was measured'}")
    print_comparison(comparison, options)
    return exit_code(comparison) if options.fail_if else 0


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    return guarded("scripts/compare", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main())
