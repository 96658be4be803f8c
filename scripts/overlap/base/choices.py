"""Options that choose by name: one name, or several with commas between them."""

import argparse
import re
import shlex
from collections.abc import Sequence

from overlap.base.exits import UsageError


class UnknownName(UsageError):
    """Something was chosen that there is not."""

    def __init__(self, words: str, name: str) -> None:
        super().__init__(words)
        self.name = name


def chosen_names(
    option: str, text: str, known: Sequence[str], what: str = "", hint: str = ""
) -> list[str]:
    """The names in what `--option` was given, all of them known. `what` is the word for one of them,
    by default the option's. Raises UnknownName."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            words = f"--{option} {shlex.quote(text)}: no {what or option} {name!r}"
            words += f"; expected {', '.join(known) or 'none'}"
            raise UnknownName(words + (f"; {hint}" if hint else ""), name)
    return names


def pattern(text: str) -> re.Pattern[str]:
    """A regular expression that somebody has written. Raises ValueError with what is wrong with it."""
    try:
        return re.compile(text)
    except (re.error, OverflowError) as error:
        raise ValueError(f"{text[:60]!r} is no regular expression: {error}") from error
    except RecursionError:
        raise ValueError(f"{text[:60]!r}... is nested too deep for a regular expression") from None


def pattern_option(text: str) -> str:
    """For an option's `type`."""
    try:
        pattern(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text
