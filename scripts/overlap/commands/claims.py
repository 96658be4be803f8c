"""Says which claims about concurrency and parallelism a run's records bear out."""

import argparse
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from overlap.base.choices import chosen_names
from overlap.base.exits import CODES, guarded
from overlap.judge.claim_file import PATH, Finding, read_claims
from overlap.judge.claims import Judge, JudgedClaim
from overlap.records.files import Records, read_records
from overlap.show.claim_words import GLYPHS, bound, closing, measured, subject

STYLES = {Finding.HOLDS: "green", Finding.FAILS: "red", Finding.UNDECIDED: "yellow"}
FORMATS = ("terminal", "markdown", "json")

EPILOG = f"""exit codes: 0 fine; 1 a claim's verdict is the opposite of what the file expects (with
--fail-if-unexpected); 3 a control came out wrong, so that no verdict can be trusted; {CODES}"""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/claims",
        description="Judges what is said about concurrency and parallelism on the records of a "
        "run: each claim holds, does not hold, or is undecided.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("records", type=Path, metavar="FILE", help="records that scripts/run wrote")
    add("--claims", type=Path, default=PATH, metavar="FILE", help="(default: bench/claims.toml)")
    add("--only", metavar="NAMES", help="of the file's claims these, e.g. C4,C4-python")
    add("--format", choices=FORMATS, default="terminal", help="how it is printed")
    add(
        "--fail-if-unexpected",
        action="store_true",
        help="exit with 1 if a verdict is the opposite of what the claims' file expects",
    )
    return parser.parse_args(arguments)


def markdown(claims: Sequence[JudgedClaim]) -> Iterator[str]:
    yield "| claim | verdict | measured | bound |"
    yield "| --- | --- | --- | --- |"
    for judged in claims:
        claim = judged.claim
        note = f" {claim.note}" if claim.note else ""
        verdict = f"{GLYPHS[judged.finding]} **{judged.finding.value}**"
        yield f"| **{claim.name}** {claim.statement}{note} | {verdict} | | |"
        for each in judged.conditions:
            mark = f"{GLYPHS[each.finding]} {each.finding.value}"
            words = f"{each.condition.words}: `{subject(each.condition)}`"
            yield f"| {words} | {mark} | {measured(each)} | {bound(each.condition)} |"
    yield ""
    yield from closing(claims)


def print_terminal(claims: Sequence[JudgedClaim]) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False)
    for judged in claims:
        claim, finding = judged.claim, judged.finding
        title = Text(f"{claim.name}  {claim.statement}  ", style="bold")
        title.append(f"{GLYPHS[finding]} {finding.value}", style=STYLES.get(finding, ""))
        console.print(title)
        for each in judged.conditions:
            line = Text(f"{GLYPHS[each.finding]} {each.condition.words}\n")
            line.append(f"{subject(each.condition)}: {measured(each)}; ")
            line.append(f"needs {bound(each.condition)}")
            console.print(Padding(line, (0, 0, 0, 2)))
        if claim.note:
            console.print(Padding(Text(claim.note, style="italic"), (0, 0, 0, 2)))
        if claim.said_in:
            console.print(Padding(Text(f"said in: {'; '.join(claim.said_in)}"), (0, 0, 0, 2)))
        console.print()
    for line in closing(claims):
        console.print(line)


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def to_json(claims: Sequence[JudgedClaim]) -> str:
    listed: list[dict[str, Any]] = [
        {
            "claim": judged.claim.name,
            "statement": judged.claim.statement,
            "said_in": judged.claim.said_in,
            "verdict": judged.finding.value,
            "expected": judged.claim.expected.value,
            "control": judged.claim.control,
            "conditions": [
                {
                    "words": each.condition.words,
                    "rows": each.condition.rows,
                    "metric": each.condition.metric.name,
                    "at_least": each.condition.least,
                    "at_most": each.condition.most,
                    "verdict": each.finding.value,
                    "estimate": _number(each.centre),
                    "interval": [_number(each.low), _number(each.high)],
                    "blocks": each.blocks,
                    "reason": each.reason,
                }
                for each in judged.conditions
            ],
        }
        for judged in claims
    ]
    return json.dumps({"claims": listed}, ensure_ascii=False, indent=1)


def judge_all(records: Records, path: Path = PATH, only: str | None = None) -> list[JudgedClaim]:
    """`only` names claims, with commas between them. Raises UsageError for one that there is not."""
    claims = {claim.name: claim for claim in read_claims(path)}
    names = list(claims) if only is None else chosen_names("only", only, list(claims), "claim")
    judge = Judge(records)
    return [judge.judge(claims[name]) for name in names]


def exit_code(claims: Sequence[JudgedClaim], *, fail_if_unexpected: bool) -> int:
    if any(judged.surprising and judged.claim.control for judged in claims):
        return 3
    return int(fail_if_unexpected and any(judged.surprising for judged in claims))


def run(options: argparse.Namespace) -> int:
    records = read_records(options.records)
    for problem in records.problems:
        print(f"scripts/claims: {problem}", file=sys.stderr)
    claims = judge_all(records, options.claims, options.only)
    if options.format == "json":
        print(to_json(claims))
    elif options.format == "markdown":
        print("\n".join(markdown(claims)))
    else:
        print_terminal(claims)
    return exit_code(claims, fail_if_unexpected=options.fail_if_unexpected)


def main(arguments: Sequence[str] | None = None) -> int:
    return guarded("scripts/claims", lambda: run(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
