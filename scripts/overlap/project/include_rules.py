"""Includes point down only, and no file or folder grows too large: which part of the project may include which.

    bench -> runtimes/{cores, coroutine, fiber, thread_pool, process, mpi, sequential, floor} -> core
    clients -> coroutine;  cores -> {coroutine, fiber};  foreign_loops -> loops -> core;  conformance -> core;  plugin -> core
    check -> {conformance, plugin, coroutine, fiber} -> core

    scripts/overlap: commands -> show -> judge -> records -> base;  commands -> measure -> judge
    commands -> {peers, servers} -> base;  project -> base

Tests (`*_test.cpp`, and what they share in a folder `testing`) are exempt from the layers, since
they put a loop under a runtime to see both work. Only tests include what is in such a folder, and
nothing in runtimes/ ever includes bench/.
"""

import re
from pathlib import Path

LONGEST_FILE = 450  # In lines: a longer one is more than one idea.
IMPORT = re.compile(r"^[ \t]*from overlap\.(\w+)\S* import", re.MULTILINE)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
SOURCES = (".hpp", ".cpp", ".h", ".c")
LANGUAGES = (*SOURCES, ".py", ".js", ".mjs", ".go", ".rs", ".java", ".erl", ".hs", ".ml", ".cmake")

# Beside its own, the parts that a part of runtimes/ may include. One that is not listed may include
# what a plug-in from outside could: the core and the rules.
ALLOWED = {
    "core": set(),
    "loops": {"core"},
    "coroutine": {"core"},
    "cores": {"core", "coroutine", "fiber"},
    "clients": {"core", "coroutine"},
    "fiber": {"core"},
    "thread_pool": {"core"},
    "process": {"core"},
    "mpi": {"core"},
    "sequential": {"core"},
    "floor": {"core"},
    "conformance": {"core"},
    "plugin": {"core"},
    "check": {"core", "conformance", "plugin", "coroutine", "fiber"},
    "foreign_loops": {"core", "loops"},
}
PLUG_IN = {"core", "conformance", "plugin"}
# The same for the folders of scripts/overlap.
ALLOWED_IMPORTS = {
    "base": set(),
    "records": {"base"},
    "judge": {"base", "records"},
    "measure": {"base", "records", "judge"},
    "show": {"base", "records", "judge"},
    "page": {"base", "records", "judge", "show"},
    "peers": {"base"},
    "servers": {"base"},
    "project": {"base"},
    "commands": {"base", "records", "judge", "measure", "show", "page", "peers", "servers"},
}
MOST_MODULES = 15  # Of one folder, its __init__.py among them: more are more than one idea.
# The C header of the plug-in table lies at the top, as <overlap/loop.h>.
PART_OF_FILE = {"runtimes/loop.h": "plugin"}


def _target(root: Path, file: Path, quote: str, name: str) -> Path | None:
    """What an include names, relative to `root`; None if it is not the project's."""
    if name.startswith("overlap/"):
        return Path("runtimes") / name.removeprefix("overlap/")
    if quote == '"':
        path = (file.parent / name).resolve()
        return path.relative_to(root) if path.is_relative_to(root) else None
    return None


def _part(path: Path) -> str:
    if str(path) in PART_OF_FILE:
        return PART_OF_FILE[str(path)]
    return path.parts[1] if path.parts[0] == "runtimes" and len(path.parts) > 2 else path.parts[0]


def _is_test(path: Path) -> bool:
    return path.stem.endswith("_test") or "testing" in path.parts[:-1]


def include_violations(root: Path) -> list[str]:
    """One line, `file:line: what is wrong`, for each include under runtimes/ and bench/ that does
    not point down."""
    root = root.resolve()
    violations = []
    for folder in ("runtimes", "bench"):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix not in SOURCES:
                continue
            text = file.read_text(encoding="utf-8")
            for match in INCLUDE.finditer(text):
                target = _target(root, file, *match.groups())
                reason = _reason(file.relative_to(root), target) if target else ""
                if reason:
                    line = text.count("\n", 0, match.start()) + 1
                    violations.append(f"{file.relative_to(root)}:{line}: {reason}")
    return violations


def _reason(file: Path, target: Path) -> str:
    """Why `file` must not include `target`; empty if it may."""
    if file.parts[0] == "bench":
        return ""
    if target.parts[0] != "runtimes":
        return f"runtimes/ must not include {target}"
    if _is_test(file):
        return ""
    if _is_test(target):
        return f"only tests may include {target}"
    part, included = _part(file), _part(target)
    if part == included:
        return ""
    allowed = ALLOWED.get(part, PLUG_IN)
    if included in allowed:
        return ""
    choices = ", ".join(sorted(allowed)) or "nothing of the project"
    return f"{part} must not include {target}; it may include {choices}"


def import_violations(package: Path) -> list[str]:
    """One line for each import of the package's modules, tests aside, that does not point down, and
    for each folder that has grown too large."""
    violations = []
    for folder in sorted(path for path in package.iterdir() if (path / "__init__.py").exists()):
        modules = [path for path in folder.glob("*.py") if not path.name.startswith("test_")]
        if len(modules) > MOST_MODULES:
            violations.append(f"{folder.name}: {len(modules)} modules, at most {MOST_MODULES}")
        if folder.name == "testing":
            continue
        allowed = ALLOWED_IMPORTS.get(folder.name, set()) | {folder.name}
        for module in modules:
            for found in IMPORT.finditer(module.read_text(encoding="utf-8")):
                if found[1] not in allowed:
                    name = f"{folder.name}/{module.name}"
                    violations.append(f"{name}: must not import overlap.{found[1]}")
    return violations


def long_files(root: Path, files: list[str]) -> list[str]:
    """One line for each of the sources that has grown too long."""
    lengths = {
        name: len((root / name).read_text(encoding="utf-8").splitlines())
        for name in files
        if name.endswith(LANGUAGES)
    }
    return [
        f"{name}: {length} lines, at most {LONGEST_FILE}"
        for name, length in lengths.items()
        if length > LONGEST_FILE
    ]
