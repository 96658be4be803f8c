"""Is a record sound? Each check gives the first fault in words, or nothing.

What fields there are and what they hold is in results/record.schema.json, of which fastjsonschema
makes the checks; a validator that reads the schema for every record would take longer over a large
file than everything else together. Here is what a schema cannot say.
"""

import copy
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import fastjsonschema

from overlap.base.choices import pattern
from overlap.base.machine import ROOT

PATH = ROOT / "results" / "record.schema.json"
Schema = Mapping[str, Any]


class NotFinite(str):
    """What Python's JSON takes for a number, and JSON does not: NaN, Infinity."""


def parsed(line: bytes) -> Any:
    """Raises ValueError and RecursionError as json.loads does."""
    return json.loads(line, parse_constant=NotFinite)


def brief(value: Any) -> str:
    """A value as a line of words can hold it."""
    text = value if isinstance(value, NotFinite) else json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 40 else text[:37] + "..."


def one_line(text: str) -> str:
    """Whatever names a file may hold, words about it stay one line, and move no cursor."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def harmless(value: Any) -> Any:
    """What a file holds, in lines that are one, with an escape for each character that would move a cursor
    or turn text round wherever it is shown. A specification has lines, and is not shown."""
    if isinstance(value, str):
        return value if value.isprintable() else one_line(value.replace("\n", " "))
    if isinstance(value, list):
        return [harmless(each) for each in value]
    if isinstance(value, dict):
        return {
            harmless(key): part if key == "specification" else harmless(part)
            for key, part in value.items()
        }
    return value


@cache
def schema() -> Schema:
    found: Schema = json.loads(PATH.read_text(encoding="utf-8"))
    return found


def _part(*keys: str) -> Schema:
    found = schema()["$defs"]
    for key in keys:
        found = found[key]
    return found


@cache
def _compiled(*keys: str) -> Callable[[Any], Any]:
    formats = {"regex": _is_pattern}
    compiled: Callable[[Any], Any] = fastjsonschema.compile(
        {**_part(*keys), "$schema": "http://json-schema.org/draft-07/schema#"}, formats=formats
    )
    return compiled


def _is_pattern(value: str) -> bool:
    try:
        return pattern(value) is not None
    except ValueError:
        return False


NAMES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}


def _expected(definition: Schema) -> str:
    """What a definition asks for, in words; its title, if it has one."""
    if "title" in definition:
        return str(definition["title"])
    if "const" in definition:
        return brief(definition["const"])
    kinds = definition.get("type", "object")
    words = [NAMES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    if definition.get("minLength"):
        words[0] = "a name"
    if definition.get("format") == "regex":
        words[0] = "a regular expression"
    if definition.get("minimum") == 0:
        words[0] += " from 0 on"
    if definition.get("exclusiveMinimum") == 0:
        words[0] += " above 0"
    return ", or ".join(words)


def _fault(value: Any, *keys: str, where: str = "") -> str:
    """Of what the part of the schema at `keys` describes."""
    try:
        _compiled(*keys)(value)
        return ""
    except fastjsonschema.JsonSchemaValueException as error:
        return _words(error, where)
    except (OverflowError, RecursionError):
        return f"{where or 'value'}: found {brief(value)}, expected less of it"


def _words(error: fastjsonschema.JsonSchemaValueException, where: str) -> str:
    path = [str(part) for part in error.path[1:]]
    if error.rule == "required":
        missing = next(name for name in error.rule_definition if name not in error.value)
        name = ".".join([*path, missing])
        expected = error.definition.get("properties", {}).get(missing, {})
        return f"{where}{name}: found nothing, expected {_expected(expected)}"
    if error.rule == "oneOf":
        found = "both" if "error" in error.value else "neither"
        return f"{where}counters, error: found {found}, expected one of them"
    name = ".".join(path)
    colon = ": " if where + name and not where.endswith("]") else " " if where else ""
    return f"{where}{name}{colon}found {brief(error.value)}, expected {_expected(error.definition)}"


def _fault_of_names(record: Mapping[str, Any]) -> str:
    name = "/".join(record[part] for part in ("workload", "case", "backend"))
    found = record["row"]
    return "" if found == name else f"row: found {brief(found)}, expected {brief(name)}"


def fault_of_row(row: Any) -> str:
    """Of a row that the head record lists."""
    return _fault(row, "head", "properties", "rows", "items") or _fault_of_names(row)


def fault_of_sample(record: Mapping[str, Any]) -> str:
    return _fault(record, "sample") or _fault_of_names(record)


def fault_of_count(record: Mapping[str, Any]) -> str:
    """Of what was counted of a row apart from its samples."""
    return _fault(record, "count") or _fault_of_names(record)


def fault_of_context(record: Mapping[str, Any]) -> str:
    return _fault(record, "context")


def mend_head(head: dict[str, Any]) -> list[str]:
    """The faults of a head record whose format and rows are known to be there. What the schema has
    for a default is put in the place of fields that are not sound; other such fields are taken out,
    as are rows that are not sound or are there twice."""
    return _mend(head, "head") + _mend_rows(head)


def _mend(part: dict[str, Any], *keys: str, where: str = "") -> list[str]:
    faults = []
    for name, field in _part(*keys)["properties"].items():
        if name in ("kind", "format", "rows") or (name not in part and "default" not in field):
            continue
        has_parts = "properties" in field
        if name not in part:
            is_sound, found = False, "nothing"
        else:
            is_object = isinstance(part[name], dict)
            fault = "" if has_parts else _fault(part[name], *keys, "properties", name)
            is_sound, found = is_object if has_parts else not fault, brief(part[name])
        if not is_sound:
            faults.append(f"{where}{name}: found {found}, expected {_expected(field)}")
            part.pop(name, None)
            if "default" in field:
                part[name] = copy.deepcopy(field["default"])
        if has_parts:
            faults += _mend(part[name], *keys, "properties", name, where=f"{name}.")
    return faults


def _mend_rows(head: dict[str, Any]) -> list[str]:
    faults = []
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
