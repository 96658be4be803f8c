"""The one table of all commands: laid out for a terminal, or written in Markdown.

Rich lays out tables, too; but it cannot leave out columns by their importance, spread a wide table
over several, or let words take the place of all cells, and it pads lines that others may read.
"""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

GAP = "  "
ENDLESS_WIDTH = 10_000  # Output that is no terminal is never cut.


@dataclass(frozen=True)
class Column:
    """`optional` columns are left out of a narrow terminal, the highest number first."""

    header: str
    left: bool = False
    optional: int = 0


@dataclass(frozen=True)
class Line:
    """Its cells, of which the first is its name; or only the name, and `words` that say why there
    are no others. Lines of one `group` stand together below its name."""

    cells: list[str]
    words: str = ""
    style: str = ""
    group: str = ""

    @property
    def name(self) -> str:
        return self.cells[0]


@dataclass
class Grid:
    """A table, ready to print. Where lines have groups, `group` is the word for one."""

    title: str
    columns: list[Column]
    lines: list[Line]
    notes: list[str] = field(default_factory=list)
    group: str = ""

    def column(self, index: int) -> list[str]:
        """The cells of those lines that have them."""
        return [line.cells[index] for line in self.lines if not line.words]


def markdown(grid: Grid) -> list[str]:
    """The lines of the table alone; a group is a column of its own."""
    columns = [Column(grid.group, left=True)] * bool(grid.group) + grid.columns
    lines = [
        [line.group] * bool(grid.group) + _all_cells(line, len(grid.columns)) for line in grid.lines
    ]
    rule = ["---" if column.left else "---:" for column in columns]
    escaped = [[cell.replace("|", "\\|") for cell in cells] for cells in lines]
    cells_of_lines = [[column.header for column in columns], rule, *escaped]
    return ["| " + " | ".join(cells) + " |" for cells in cells_of_lines]


def _all_cells(line: Line, count: int) -> list[str]:
    return line.cells + [line.words] * bool(line.words) + [""] * (count - 2) * bool(line.words)


def table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> Grid:
    """One without a title. Columns are aligned to the left but for those that `right` numbers."""
    right = set(right)
    columns = [Column(name, left=i not in right) for i, name in enumerate(header)]
    return Grid("", columns, [Line(list(row)) for row in rows])


def plain(grid: Grid) -> list[str]:
    return [text.plain for text in terminal(grid, ENDLESS_WIDTH)]


def width_of(console: Console) -> int:
    return console.width if console.is_terminal else ENDLESS_WIDTH


def wrapped(text: str, width: int, indent: str = "") -> str:
    return textwrap.fill(text, width, subsequent_indent=indent, break_on_hyphens=False)


def terminal(grid: Grid, width: int) -> Iterator[Text]:
    """Fits the table into `width` characters. The title stands above it, or where the lines have
    groups in place of the first header."""
    if grid.title and not grid.group:
        yield Text(wrapped(grid.title, width), style="bold")
    kept, left_out = _fitting(grid, width)
    for part in _side_by_side(grid, kept, width):
        yield from _part(grid, part, width)
    for note in grid.notes:
        yield Text(wrapped(note, width, GAP), style="dim")
    if left_out:
        words = f"left out of {width} columns: {', '.join(left_out)}"
        yield Text(wrapped(words, width), style="dim")


def _part(grid: Grid, part: list[int], width: int) -> Iterator[Text]:
    widths = _widths(grid, part)
    indent = GAP if grid.group else ""

    def aligned(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(wide) if grid.columns[i].left else cell.rjust(wide)
            for cell, i, wide in zip(cells, part, widths, strict=True)
        ]
        return GAP.join(padded).rstrip()

    yield Text(aligned(_headers(grid, part)), style="bold")
    group = ""
    for line in grid.lines:
        if line.group != group:
            group = line.group
            yield Text(group, style="bold")
        name = indent + line.name
        if line.words:
            start = name.ljust(widths[0]) + GAP
            below = " " * len(start)
            text = textwrap.fill(line.words, width, initial_indent=start, subsequent_indent=below)
            yield Text(text, style="dim")
        else:
            cells = [name, *(line.cells[i] for i in part[1:])]
            yield Text(aligned(cells), style=line.style)


def _headers(grid: Grid, part: list[int]) -> list[str]:
    first, *others = (grid.columns[i].header for i in part)
    return [grid.title if grid.group else first, *others]


def _widths(grid: Grid, part: list[int]) -> list[int]:
    first, *others = _headers(grid, part)
    indent = len(GAP) if grid.group else 0
    names = [len(first), *(indent + len(line.name) for line in grid.lines)]
    return [max(names)] + [
        max(map(len, [header, *grid.column(i)])) for header, i in zip(others, part[1:], strict=True)
    ]


def _needed(grid: Grid, part: list[int]) -> int:
    return sum(_widths(grid, part)) + len(GAP) * (len(part) - 1)


def _fitting(grid: Grid, width: int) -> tuple[list[int], list[str]]:
    """The columns that fit, and the headers of those that do not."""
    kept = list(range(len(grid.columns)))
    left_out = []
    for index in sorted(kept, key=lambda i: grid.columns[i].optional, reverse=True):
        if _needed(grid, kept) <= width or not grid.columns[index].optional:
            break
        kept.remove(index)
        left_out.append(grid.columns[index].header)
    return kept, left_out


def _side_by_side(grid: Grid, kept: list[int], width: int) -> Iterator[list[int]]:
    """Columns that are still too wide for one table are spread over several, each with the first
    column."""
    first, *rest = kept
    part = [first]
    for index in rest:
        if len(part) > 1 and _needed(grid, [*part, index]) > width:
            yield part
            part = [first]
        part.append(index)
    yield part


def print_page(
    console: Console,
    head: Iterable[Text],
    grids: Iterable[Grid],
    closing: Iterable[Text],
    width: int | None = None,
) -> None:
    """What comes before the tables, each table after an empty line, and how to read them. Tables are as
    wide as the console, unless `width` is given."""

    def say(text: Text) -> None:
        words = wrapped(text.plain, width_of(console))
        console.print(Text(words, style=text.style), soft_wrap=True)

    for text in head:
        say(text)
    for grid in grids:
        console.print()
        for text in terminal(grid, width or width_of(console)):
            console.print(text, soft_wrap=True)
    console.print()
    for text in closing:
        say(text)
