"""Says which differences between results are real, and how sure that is."""

import argparse
import json
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from overlap.base.choices import pattern_option
from overlap.base.exits import UsageError, guarded
from overlap.judge.comparison import (
    BACKEND_PLACES,
    PLACES,
    RUN_PLACES,
    Comparison,
    Question,
    compare,
    exit_code,
)
from overlap.judge.metrics import METRICS, Metric, counter_metric
from overlap.judge.series import Source, read_source
from overlap.judge.verdicts import Verdict
from overlap.records import google_benchmark
from overlap.records.benchmark_names import BackendPart
from overlap.records.files import name_of
from overlap.show import exports

PROBLEMS_SHOWN = 20  # Of one file.
PROCESS_TIME = (
    "/process_time"  # In names of Google Benchmark: CPU time is that of the whole process.
)
FORMATS = ("terminal", "markdown", "tables", "csv", "json", "gbench")

EXAMPLES = """examples:
  scripts/compare RUN.jsonl                                  its backends against each case's reference
  scripts/compare RUN.jsonl --baseline thread_pool --metric cpu --filter gather/
  scripts/compare RUN.jsonl --baseline epoll --column loop --row runtime
  scripts/compare BEFORE.jsonl AFTER.jsonl --fail-if 'slower:5%'
  scripts/compare RUN.jsonl --column case --format markdown
  scripts/compare GBENCH.json --backend-part '_(tbb|libfork)' --metric items_per_second

exit codes, of which all but 0 and 2 are for --fail-if: 0 fine; 1 the condition is met; 2 asked
wrongly; 3 the machine was too unstable, or the blocks are too few, to say; 4 a result is wrong or
missing because a row crashed, or a repetition of it failed. What only one of the files has, and what
is skipped, decides nothing"""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/compare",
        description="Compares results: the backends of one record file, or several files. Each "
        "cell has a ratio, its 95%% interval and a verdict. results/README.md says how they are made.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="records, or Google Benchmark's JSON; -: from standard input",
    )
    add(
        "--metric",
        default="wall",
        metavar="NAME",
        help=f"what is compared: {', '.join(METRICS)} (default: wall); or any counter that the files hold",
    )
    add(
        "--baseline",
        default="",
        metavar="[PLACE=]NAME",
        help="what the others are compared with: a backend, file, commit, machine, profile, "
        "runtime or loop (default: each case's reference; of several files the first)",
    )
    add("--reference", default="", metavar="BACKEND", help="the backend that links several runs")
    add(
        "--backend-part",
        type=_backend_part,
        metavar="N|REGEX",
        help="where names in Google Benchmark's JSON have the backend: the N-th part between slashes, or "
        "what a regular expression (its first group) matches; the rest is the case",
    )
    add("--row", choices=PLACES, help="what the rows of a two-way table are")
    add("--column", choices=PLACES, help="what its columns are")
    add(
        "--filter",
        default="",
        type=pattern_option,
        metavar="REGEX",
        help="only rows whose name matches somewhere",
    )
    add(
        "--format",
        choices=FORMATS,
        default="terminal",
        help="how it is printed; tables: Markdown without a head",
    )
    add("--fail-if", metavar="VERDICT:SIZE", help="set the exit code, e.g. 'slower:5%%'")
    return parser.parse_args(arguments)


def _backend_part(text: str) -> BackendPart:
    try:
        return BackendPart(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def metric_of(name: str, sources: Sequence[Source]) -> Metric:
    """One of METRICS, or a counter that some sample of the files has. Raises UsageError."""
    if name in METRICS:
        return METRICS[name]
    every = (c for source in sources for s in source.series for c in s.by_block.values())
    counters = sorted({counter for counted in every for counter in counted})
    if name in counters:
        return counter_metric(name)
    raise UsageError(
        f"--metric {name!r}: expected one of {', '.join(METRICS)}, or a counter of these files: "
        f"{', '.join(counters) or 'none'}"
    )


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
    if not options.files:
        raise UsageError("nothing to compare: name at least one record file")
    part = options.backend_part
    sources = [read_source(path, part) for path in options.files]
    if part and all(source.records for source in sources):
        raise UsageError(
            "--backend-part is for Google Benchmark's JSON, and these files are records"
        )
    metric = metric_of(options.metric, sources)
    sources = [source.seen_by(metric) for source in sources]
    for source in sources:
        if not source.series:
            raise UsageError(f"{source.path}: holds no rows")
        if metric is METRICS["cpu"]:
            source.notes += of_one_thread(source)
    if not any(re.search(options.filter, s.name) for source in sources for s in source.series):
        raise UsageError(f"--filter {options.filter!r} matches no row of these files")
    name_apart(sources)
    machines = dict.fromkeys(source.places["machine"] for source in sources)
    if len(machines) > 1:
        sources[0].notes.append(f"measured on different machines: {', '.join(machines)}")
    return sources


def of_one_thread(source: Source) -> list[str]:
    """A note on CPU times that Google Benchmark took of nothing but the thread that it calls a benchmark
    on, as it does unless it is told to MeasureProcessCPUTime."""
    measured = [s for s in source.series if s.values and not source.records]
    alone = [
        s for s in measured if not s.median_of("cpu_per_task_s") and PROCESS_TIME not in s.name
    ]
    if not alone:
        return []
    return [
        f"{source.path.name}: CPU time of {len(alone)} of {len(measured)} benchmarks is that of the "
        f"calling thread alone, without {PROCESS_TIME} in their names: other threads were not counted"
    ]


def name_apart(sources: list[Source]) -> None:
    """Files are called by their names, or where these are equal by their paths and a number."""
    names = [name_of(source.path) for source in sources]
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
    metric = metric_of(options.metric, sources)
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
    elif options.format == "tables":
        print(verdict_page.tables(comparison, *layout), end="")
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


def run(options: argparse.Namespace) -> int:
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
    return guarded("scripts/compare", lambda: run(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
