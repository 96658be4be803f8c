"""Is a record sound? Each check gives the first fault in words, or nothing.

results/README.md describes the fields; results/record.schema.json says the same to machines. What
is checked here is what readers rely on, by hand, since a schema validator would take longer over a
large file than everything else together.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

Check = tuple[str, Callable[[Any], bool]]  # What is expected, in words, and whether a value is it.
LARGEST = 1e300  # Beyond it sums and products of what is measured would overflow.


def _is_number(value: Any) -> bool:
    # The comparison refuses infinities and what is not a number, too.
    return isinstance(value, (int, float)) and type(value) is not bool and abs(value) <= LARGEST


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_object_of(good: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(good, value.values()))


def _are_slow_rules(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(rule, dict)
        and _is_number(rule.get("sample_s"))
        and _is_count(rule.get("blocks"))
        for rule in value
    )


def _is_pattern(value: Any) -> bool:
    try:
        return isinstance(value, str) and re.compile(value) is not None
    except (re.error, RecursionError, OverflowError):
        return False


TEXT: Check = ("text", lambda value: isinstance(value, str))
NAME: Check = ("a name", lambda value: isinstance(value, str) and value != "")
TEXT_OR_NULL: Check = ("text, or null", lambda value: value is None or isinstance(value, str))
FLAG: Check = ("true or false", lambda value: isinstance(value, bool))
COUNT: Check = ("a whole number from 0 on", _is_count)
WHOLE: Check = ("a whole number", lambda value: type(value) is int)
SECONDS: Check = ("seconds, a number from 0 on", lambda value: _is_number(value) and value >= 0)
SHARE: Check = (
    "a number from 0 on, or null",
    lambda value: value is None or (_is_number(value) and value >= 0),
)
FIGURE: Check = ("a number, or null", lambda value: value is None or _is_number(value))
OBJECT: Check = ("an object", lambda value: isinstance(value, dict))
LIST: Check = ("a list", lambda value: isinstance(value, list))
NAMES: Check = (
    "a list of names",
    lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
)
Fields = Mapping[str, Check]

NAMES_OF_ROW: Fields = {"row": NAME, "workload": NAME, "case": NAME, "backend": NAME}
ROW: Fields = NAMES_OF_ROW | {"tasks": COUNT, "unit": NAME, "expected_s": SECONDS, "skip": TEXT}
ROW_IF_ANY: Fields = {
    **{"placebo_of": TEXT, "blocks": COUNT, "because": TEXT},
    **dict.fromkeys(("language", "model", "version"), TEXT),
}
SAMPLE: Fields = NAMES_OF_ROW | {"block": COUNT, "duration_s": SECONDS}
SAMPLE_IF_ANY: Fields = {
    "placebo_of": NAME,
    "position": COUNT,
    "attempt": COUNT,
    "repeats_block": COUNT,
    "also": NAMES,
    "started": TEXT,
    "error": NAME,
    "counters": OBJECT,
    "contamination": OBJECT,
}
COUNT_IF_ANY: Fields = {"error": NAME, "counters": OBJECT}
CONTAMINATION: Fields = {
    "steal_share": SHARE,
    "foreign_cpu_share": SHARE,
    "cpu_pressure_before": SHARE,
    "cpu_pressure_after": SHARE,
    "dirty": FLAG,
}
CONTEXT: Fields = {"workload": NAME, "context": OBJECT}
# Of the head record, with what stands in for a field that is not sound. Without `rows` nothing
# could be said of the samples.
HEAD: Mapping[str, tuple[Check, Any]] = {
    "profile": (NAME, "unknown"),
    "blocks": (COUNT, 0),
    "seed": (WHOLE, 0),
    "machine": (OBJECT, {}),
    "suite": (OBJECT, {}),
}
HEAD_IF_ANY: Fields = {
    "also": ("an object of whole numbers", _is_object_of(_is_count)),
    "slow": ("a list of objects with sample_s and blocks", _are_slow_rules),
    "context": ("an object of objects", _is_object_of(OBJECT[1])),
    "binaries": ("an object of text", _is_object_of(TEXT[1])),
    "specification": ("an object of text", _is_object_of(TEXT[1])),
    "repeated_share": ("a share from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1),
    **dict.fromkeys(
        (
            *("workload", "case", "backend", "model", "language"),
            *("workloads", "loop", "peers", "build"),
        ),
        TEXT_OR_NULL,
    ),
    "filter": ("a regular expression", _is_pattern),
    "row_timeout_s": SECONDS,
    "cores": ("a whole number from 0 on, or null", lambda value: value is None or _is_count(value)),
}
MACHINE: Mapping[str, tuple[Check, Any]] = {
    "host": (TEXT, "unknown host"),
    "kernel": (TEXT, "kernel unknown"),
    "cpu": (TEXT, "CPU unknown"),
    "cores": (COUNT, 0),
}
SUITE: Mapping[str, tuple[Check, Any]] = {"commit": (TEXT, ""), "modified": (FLAG, False)}


def brief(value: Any) -> str:
    """A value as a line of words can hold it."""
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 40 else text[:37] + "..."


def one_line(text: str) -> str:
    """Whatever names a file may hold, words about it stay one line, and move no cursor."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _fault(record: Mapping[str, Any], required: Fields, if_any: Fields, where: str = "") -> str:
    for name, (expected, good) in required.items():
        if name not in record:
            return f"{where}{name}: found nothing, expected {expected}"
        if not good(record[name]):
            return f"{where}{name}: found {brief(record[name])}, expected {expected}"
    present = {name: check for name, check in if_any.items() if name in record}
    return _fault(record, present, {}, where) if present else ""


def _fault_of_names(record: Mapping[str, Any]) -> str:
    name = "/".join(record[part] for part in ("workload", "case", "backend"))
    return (
        ""
        if record["row"] == name
        else f"row: found {brief(record['row'])}, expected {brief(name)}"
    )


def fault_of_row(row: Any) -> str:
    """Of a row that the head record lists."""
    if not isinstance(row, dict):
        return f"found {brief(row)}, expected an object"
    return _fault(row, ROW, ROW_IF_ANY) or _fault_of_names(row)


def fault_of_sample(record: Mapping[str, Any]) -> str:
    fault = _fault(record, SAMPLE, SAMPLE_IF_ANY) or _fault_of_names(record)
    if fault:
        return fault
    return (
        _fault_of_outcome(record)
        or _fault_of_counters(record.get("counters"))
        or _fault(record.get("contamination", {}), {}, CONTAMINATION, "contamination.")
    )


def fault_of_count(record: Mapping[str, Any]) -> str:
    """Of what was counted of a row apart from its samples."""
    fault = _fault(record, NAMES_OF_ROW, COUNT_IF_ANY) or _fault_of_names(record)
    counters = record.get("counters", {})
    return (
        fault
        or _fault_of_outcome(record)
        or _fault(counters, {}, dict.fromkeys(counters, FIGURE), "counters.")
    )


def _fault_of_outcome(record: Mapping[str, Any]) -> str:
    if ("counters" in record) != ("error" in record):
        return ""
    found = "both" if "error" in record else "neither"
    return f"counters, error: found {found}, expected one of them"


def _fault_of_counters(counters: Mapping[str, Any] | None) -> str:
    if counters is None:
        return ""
    fault = _fault(counters, {}, dict.fromkeys(counters, FIGURE), "counters.")
    if fault:
        return fault
    wall_s = counters.get("wall_s")
    if wall_s is None or wall_s <= 0:
        return f"counters.wall_s: found {brief(wall_s)}, expected seconds, more than 0"
    if counters.get("verified") != 1:
        return (
            f"counters.verified: found {brief(counters.get('verified'))}, expected 1: no number "
            "without a receipt"
        )
    return ""


def fault_of_context(record: Mapping[str, Any]) -> str:
    return _fault(record, CONTEXT, {})


def mend(
    part: dict[str, Any], fields: Mapping[str, tuple[Check, Any]], where: str = ""
) -> list[str]:
    """Puts what stands in for them in the place of fields that are not sound; their faults."""
    faults = []
    for name, ((expected, good), stand_in) in fields.items():
        if name not in part or not good(part[name]):
            found = brief(part[name]) if name in part else "nothing"
            faults.append(f"{where}{name}: found {found}, expected {expected}")
            part[name] = dict(stand_in) if isinstance(stand_in, dict) else stand_in
    return faults


def mend_head(head: dict[str, Any]) -> list[str]:
    """The faults of a head record whose format and rows are known to be there. Rows that are not
    sound, or are there twice, are taken out."""
    faults = mend(head, HEAD)
    faults += mend(head["machine"], MACHINE, "machine.")
    faults += mend(head["suite"], SUITE, "suite.")
    faults += _mend_optional(head)
    rows: dict[str, dict[str, Any]] = {}
    for place, row in enumerate(head["rows"]):
        fault = fault_of_row(row)
        if not fault and row["row"] in rows:
            fault = f"row: found {brief(row['row'])} a second time, expected each row once"
        if fault:
            faults.append(f"rows[{place}].{fault}")
        else:
            rows[row["row"]] = row
    head["rows"] = list(rows.values())
    return faults


def _mend_optional(head: dict[str, Any]) -> list[str]:
    """Fields that heads may lack, and that would mislead readers in another form."""
    faults = []
    for name, (expected, good) in HEAD_IF_ANY.items():
        if name in head and not good(head[name]):
            faults.append(f"{name}: found {brief(head.pop(name))}, expected {expected}")
    return faults
