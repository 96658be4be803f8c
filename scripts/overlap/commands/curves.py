"""Answers what a curve is for: from which size of task cores pay, how backends scale over cores, and
where two of them break even."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from overlap.base.choices import pattern_option
from overlap.base.exits import CODES, RecordError, UsageError, guarded
from overlap.judge.curves import Family, families
from overlap.judge.metrics import METRICS
from overlap.judge.series import from_records
from overlap.records.files import Records, read_records
from overlap.show import curves
from overlap.show.heads import head_line

EXAMPLES = f"""examples:
  scripts/run --workloads bench/curves.toml --profile curves
  scripts/curves RUN.jsonl
  scripts/curves RUN.jsonl --between thread_pool,coroutine:uring --metric cpu
  scripts/curves RUN.jsonl --filter 'gather/grain.*(pool|stealing)' --draw PATH

exit codes: 0 fine; {CODES}"""
METRICS_OF_CURVES = ("wall", "cpu", "memory", "peak", "p99", "lateness", "gap", "fairness")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/curves",
        description="Shows families of cases of which one number is swept: a table each with the "
        "answer it is for, and a picture.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="records that scripts/run wrote")
    add(
        "--filter",
        default="",
        type=pattern_option,
        metavar="REGEX",
        help="only rows whose name matches",
    )
    add(
        "--metric",
        choices=METRICS_OF_CURVES,
        default="wall",
        help="what is shown against other numbers than cores and work; wall unless said otherwise",
    )
    add("--between", metavar="A,B", help="where these two backends break even")
    add(
        "--draw",
        type=Path,
        metavar="PATH",
        help="draw each family as PATH-FAMILY.svg and .png, light and dark",
    )
    add(
        "--format",
        choices=("terminal", "markdown"),
        default="terminal",
        help="how tables are written",
    )
    return parser.parse_args(arguments)


def read(options: argparse.Namespace) -> tuple[Records, list[Family]]:
    records = read_records(options.file).only(options.filter)
    found = families(from_records(records))
    if not found:
        raise RecordError(
            f"{options.file}: no case of it is swept; expected records of a specification with "
            "`{{ sweep = [..] }}`, such as bench/curves.toml".replace("{{", "{").replace("}}", "}")
        )
    return records, found


def pair(text: str, found: Sequence[Family]) -> tuple[str, str]:
    names = [name.strip() for name in text.split(",")]
    known = sorted({curve.backend for family in found for curve in family.curves})
    if len(names) != 2 or not set(names) <= set(known):
        raise UsageError(f"--between {text!r}: expected two backends of {', '.join(known)}")
    return names[0], names[1]


def run(options: argparse.Namespace) -> int:
    records, found = read(options)
    metric = METRICS[options.metric]
    if options.draw:
        from overlap.show import curve_picture  # Needs matplotlib, which tables do not.

        for family in found:
            ending = family.name.replace("/", "-").replace("@", "-").replace("=", "-")
            target = options.draw.with_name(f"{options.draw.name}-{ending}")
            print(*curve_picture.draw(family, metric, bool(options.filter), target), sep="\n")
        return 0
    console = Console(highlight=False)
    print(head_line(records) + "\n")
    curves.print_tables(curves.tables_of(records, metric), options.format, console)
    if options.between:
        names = pair(options.between, found)
        for family in found:
            print(*curves.break_even_lines(family, names, metric), sep="\n")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    return guarded("scripts/curves", lambda: run(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
