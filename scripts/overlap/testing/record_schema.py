"""For the tests: the schema of records, as another validator reads it."""

import json
from pathlib import Path

import jsonschema

from overlap.records.checks import PATH
from overlap.records.files import content_of


def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(PATH.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


def faults_of_file(path: Path) -> list[str]:
    """Of every line of a record file, by the schema."""
    check = validator()
    return [
        f"{path}:{number}: {error.json_path}: {error.message}"
        for number, line in enumerate(content_of(path).decode().splitlines(), start=1)
        for error in check.iter_errors(json.loads(line))
    ]
