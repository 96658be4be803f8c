"""Shows what was measured: as a page to look at, and as tables for the project's own documents."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from overlap.base.choices import pattern_option
from overlap.base.exits import CODES, UsageError, guarded
from overlap.commands.documents import NO_HISTORY_STATUS, check_documents
from overlap.commands.pages import write_page
from overlap.records.age import NoHistory, age_words, changed_since, what_changed
from overlap.records.files import Records, read_records
from overlap.show.overview import overview, standing
from overlap.show.run_page import measured

EXAMPLES = f"""examples:
  scripts/report RUN.jsonl -o report.html
  scripts/report BEFORE.jsonl AFTER.jsonl -o report.html
  scripts/report --measured sleeps/10k_100ms RUN.jsonl
  scripts/report --overview 'sleeps/10k_100ms:cpu,echo/100x64:cpu' RUN.jsonl
  scripts/report --plane PATH --filter 'sleeps/|mix/' RUN.jsonl
  scripts/report --age RUN.jsonl
  scripts/report --check

exit codes: 0 fine; 1 a document is not what its commands make; {NO_HISTORY_STATUS} the commit of the
records is not in this checkout's history (--age); {CODES}"""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/report",
        description="Makes a page of one file that shows what runs have measured, what it comes to and "
        "how sure that is; or a part of it as Markdown or as a picture; and keeps the project's "
        "documents what their records say.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("files", nargs="*", type=Path, metavar="FILE", help="records that scripts/run wrote")
    add(
        "--filter",
        default="",
        type=pattern_option,
        metavar="REGEX",
        help="only rows whose name matches somewhere",
    )
    modes = parser.add_mutually_exclusive_group(required=True)
    add = modes.add_argument
    add(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help="write a page that any browser shows; of several runs also how they differ",
    )
    add(
        "--measured",
        metavar="CASE",
        help="print what FILE holds of one case, or its head line (head)",
    )
    add(
        "--overview",
        metavar="CASE:METRIC,...",
        help="print one table with a column for each of these figures",
    )
    add(
        "--peers-ahead",
        action="store_true",
        help="print where a peer needs less than the suite's best backend of its model",
    )
    add(
        "--plane",
        type=Path,
        metavar="PATH",
        help="draw concurrency against parallelism as PATH.svg and .png, and PATH-dark likewise",
    )
    add(
        "--age",
        action="store_true",
        help="print whether what FILE measured has changed since, by the commit that it was measured at",
    )
    add(
        "--check",
        action="store_true",
        help="make every generated table and figure of the documents again; 1 if one differs",
    )
    add("--update", action="store_true", help="rewrite those that differ")
    return parser.parse_args(arguments)


def read(options: argparse.Namespace) -> Records:
    if len(options.files) != 1:
        raise UsageError(f"takes one record file, found {len(options.files)}")
    return read_records(options.files[0]).only(options.filter)


def print_age(records: Records) -> int:
    """What has changed goes to standard error: it grows with every commit, and the words need not."""
    try:
        changed = changed_since(records)
    except NoHistory as error:
        print(f"scripts/report: {error}", file=sys.stderr)
        return NO_HISTORY_STATUS
    print(age_words(records, changed))
    print(*what_changed(changed), sep="\n", end="\n" if changed else "", file=sys.stderr)
    return 0


def run(options: argparse.Namespace) -> int:
    if options.check or options.update:
        return check_documents(write=options.update)
    if options.output:
        write_page(options.files, options.output, options.filter)
        print(options.output)
        return 0
    records = read(options)
    if options.age:
        return print_age(records)
    if options.plane:
        from overlap.show import plane  # Needs matplotlib, which the others do not.

        print(*plane.draw(records, options.plane), sep="\n")
    elif options.measured is not None:
        print(measured(records, options.measured), end="")
    elif options.overview is not None:
        print(overview(records, options.overview), end="")
    else:
        print(standing(records), end="")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    return guarded("scripts/report", lambda: run(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
