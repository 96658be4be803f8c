"""Prints a run: the head line, the tables, and how to read them; for terminals or in Markdown."""

import textwrap
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from overlap.base.units import NOT_MEASURED, share
from overlap.records.files import Records
from overlap.show.tables import Line, Table, build_tables, contaminated_share, harness_share

READING = (
    "C, concurrency: tasks in flight, averaged over the run (sum of task lifetimes / wall time).",
    "P, parallelism: cores kept busy (CPU time of the runtime and its children / wall time).",
)


def head_line(records: Records) -> str:
    machine, suite = records.head["machine"], records.head["suite"]
    blocks = {sample["block"] for sample in records.samples}
    commit = suite["commit"][:10] or "unknown"
    parts = [
        f"{machine['host']}: {machine['cpu']}, {machine['cores']} cores",
        machine["kernel"],
        str(records.context.get("compiler", "compiler unknown")),
        f"commit {commit}" + (" with local changes" if suite["modified"] else ""),
        f"{len(blocks)} blocks ({records.head['profile']})",
        f"{share(contaminated_share(records))} of {len(records.samples)} samples contaminated",
    ]
    return " · ".join(parts)


def closing_lines(records: Records) -> list[str]:
    lines = [*READING, f"{NOT_MEASURED}: not measured for that row."]
    harness = harness_share(records)
    if harness is not None:
        lines.append(f"harness: at most {share(harness)} of any row's wall time.")
    if records.problems:
        lines.append(f"{records.path}: {len(records.problems)} of its lines are not sound.")
    if records.cut_short:
        lines.append(f"{records.path}: {records.cut_short} and is left out.")
    return lines


def markdown(records: Records) -> str:
    lines = [head_line(records), ""]
    for table in build_tables(records):
        lines += [f"### {table.workload}", "", *_markdown_table(table), ""]
        lines += [f"* {note}" for note in table.notes] + [""] * bool(table.notes)
    return "\n".join(lines + [line + "  " for line in closing_lines(records)]) + "\n"


def _markdown_table(table: Table) -> Iterator[str]:
    headers = ["case", "backend", *(column.header for column in table.columns)]
    yield _markdown_line(headers)
    yield _markdown_line(["---", "---", *("---:" for _ in table.columns)])
    for case, lines in table.cases.items():
        for line in lines:
            rest = line.cells or [line.words, *[""] * (len(table.columns) - 1)]
            yield _markdown_line([case, line.backend, *rest])


def _markdown_line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


GAP = "  "


def print_terminal(records: Records, console: Console) -> None:
    """Fits the tables into the console's width; output that is no terminal is never cut."""
    width = console.width if console.is_terminal else 10_000
    console.print(_wrapped(head_line(records), width), style="bold", soft_wrap=True, markup=False)
    for table in build_tables(records):
        console.print()
        for line in terminal_table(table, width):
            console.print(line, soft_wrap=True)
    console.print()
    for closing in closing_lines(records):
        console.print(_wrapped(closing, width), soft_wrap=True, markup=False)


def _wrapped(text: str, width: int, indent: str = "") -> str:
    return textwrap.fill(text, width, subsequent_indent=indent, break_on_hyphens=False)


def terminal_table(table: Table, width: int) -> Iterator[Text]:
    kept, left_out = _fitting_columns(table, width)
    widths = _widths(table, kept)
    headers = [table.columns[index].header for index in kept]
    yield Text(_aligned([table.workload, *headers], widths), style="bold")
    for case, lines in table.cases.items():
        yield Text(case, style="bold")
        for line in lines:
            yield from _terminal_line(line, kept, widths, width)
    for note in table.notes:
        yield Text(_wrapped(note, width, GAP), style="dim")
    if left_out:
        yield Text(
            _wrapped(f"left out of {width} columns: {', '.join(left_out)}", width), style="dim"
        )


def _terminal_line(line: Line, kept: list[int], widths: list[int], width: int) -> Iterator[Text]:
    name = (GAP + line.backend).ljust(widths[0])
    if line.cells:
        yield Text(_aligned([name, *(line.cells[index] for index in kept)], widths))
        return
    # Words take the place of all cells.
    start = name + GAP
    text = textwrap.fill(
        line.words, width, initial_indent=start, subsequent_indent=" " * len(start)
    )
    yield Text(text, style="dim")


def _aligned(cells: list[str], widths: list[int]) -> str:
    name, *numbers = cells
    right = (number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True))
    return GAP.join([name.ljust(widths[0]), *right])


def _widths(table: Table, kept: list[int]) -> list[int]:
    lines = [line for lines in table.cases.values() for line in lines]
    names = [table.workload, *(GAP + line.backend for line in lines)]
    return [max(map(len, names))] + [
        max(len(table.columns[i].header), *(len(line.cells[i]) for line in lines if line.cells), 0)
        for i in kept
    ]


def _fitting_columns(table: Table, width: int) -> tuple[list[int], list[str]]:
    """The columns that fit, and the headers of those that do not."""
    kept = list(range(len(table.columns)))
    left_out = []
    for index in sorted(kept, key=lambda i: table.columns[i].optional, reverse=True):
        widths = _widths(table, kept)
        if sum(widths) + len(GAP) * len(kept) <= width or not table.columns[index].optional:
            break
        kept.remove(index)
        left_out.append(table.columns[index].header)
    return kept, left_out
