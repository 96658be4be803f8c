"""Runs every check of the project and closes with one line that counts them.

Each step runs although an earlier one failed. What a step prints goes to build/test-logs/; of one
that failed, the end is shown.
"""

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import xml.etree.ElementTree as xml
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from overlap.base.building import build, logged, tail
from overlap.base.exits import BuildError, guarded
from overlap.base.machine import ROOT
from overlap.project import twins
from overlap.project.fresh import RELEASES, run_fresh
from overlap.project.lanes import Counts, Step, one, run_steps

LOGS = ROOT / "build" / "test-logs"
SANITIZERS = ("asan", "tsan")  # The first has the checks for undefined behaviour, too.
PARALLEL_TESTS = 6  # They wait more than they compute.
ON_REQUEST = ("clang",)  # What it finds, tsan (built with clang) and clang-tidy find as well.
FAILURES_SHOWN = 10
FUZZING_S = 20  # Of each fuzzer.


def read_junit(report: Path) -> Counts:
    """Counts the test cases of a JUnit report as ctest and pytest write it. A test that ctest could
    not start is a failure, though its report calls it skipped."""
    counts = Counts()
    texts = []
    for case in xml.parse(report).iter("testcase"):
        failure = case.find("failure") if case.find("failure") is not None else case.find("error")
        skipped = case.find("skipped")
        reason = skipped.get("message", "") if skipped is not None else ""
        not_started = case.get("status") == "notrun" and not reason.startswith("SKIP_")
        if failure is not None or not_started:
            counts.failed += 1
            said = (failure.text if failure is not None else None) or case.findtext("system-out")
            texts.append(f"--- {case.get('classname')}: {case.get('name')}\n{said or ''}")
        elif skipped is not None or case.get("status") in ("notrun", "disabled"):
            counts.skipped += 1
        else:
            counts.passed += 1
    counts.shown = "\n".join(texts[:FAILURES_SHOWN])
    if len(texts) > FAILURES_SHOWN:
        counts.shown += f"\n... and {len(texts) - FAILURES_SHOWN} more"
    return counts


def run_with_report(command: Sequence[str | Path], report: Path, log: Path) -> Counts:
    """Runs a test runner that writes a JUnit report. A runner that fails without saying which test
    did (it crashed, or found none) counts as one failure."""
    report.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    status = logged(command, log, {})
    try:
        counts = read_junit(report)
    except (OSError, xml.ParseError) as error:
        return one(False, f"no report ({error}); {log}:\n{tail(log)}")
    if counts.passed + counts.failed == 0 or (status != 0 and counts.failed == 0):
        return Counts(counts.passed, 1, counts.skipped, f"exit code {status}; {log}:\n{tail(log)}")
    return counts


def built(preset: str, *targets: str) -> Counts:
    """Targets of a preset, or everything; counts as a check only if it fails."""
    try:
        build(preset, targets, LOGS / f"{preset}-build.log")
    except BuildError as error:
        return one(False, str(error))
    return Counts()


def ctest(preset: str) -> Counts:
    """Runs the tests of a preset that was built, one at a time but for those that say that they may
    run beside others: many tests measure time."""
    directory = ROOT / "build" / preset
    report = LOGS / f"{preset}-ctest.xml"
    command = ["ctest", "--test-dir", directory, "--output-junit", report]
    command += ["--output-on-failure", "--parallel", str(PARALLEL_TESTS)]
    return run_with_report(command, report, LOGS / f"{preset}-ctest.log")


def pytest(name: str, *folders: str) -> Counts:
    report = LOGS / f"{name}.xml"
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *folders]
    return run_with_report(command, report, LOGS / f"{name}.log")


def warnings() -> Counts:
    """Everything must compile with clang without a warning."""
    outcome = built("clang")
    return outcome if outcome.failed else one(True, "")


def tool(name: str, *command: str | Path) -> Counts:
    log = LOGS / f"{name}.log"
    log.unlink(missing_ok=True)
    return one(logged(command, log, {}) == 0, tail(log) if log.exists() else "")


def tracked(*patterns: str) -> list[str]:
    """Files of the project, among them new ones that git does not know yet."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in sorted(set(listed.splitlines())) if (ROOT / name).exists()]


def clang_format() -> Counts:
    files = tracked("*.hpp", "*.cpp")
    return tool("clang-format", "clang-format-19", "--dry-run", "-Werror", *files)


def shell_scripts() -> list[str]:
    files = tracked("scripts", ".ci")
    return [name for name in files if (ROOT / name).read_bytes().startswith(b"#!/usr/bin/env bash")]


def shellcheck() -> Counts:
    return tool("shellcheck", "shellcheck", *shell_scripts())


def black() -> Counts:
    return tool("black", "black", "--check", "--quiet", "--diff", *tracked("*.py"))


def documents() -> Counts:
    """Every table and figure in the documents is made from the records that are kept."""
    return tool("documents", sys.executable, "-m", "overlap.commands.report", "--check")


def direct_twins() -> Counts:
    return tool("twins", sys.executable, "-m", "overlap.project.twins", *twins.PAIRED_HEADERS)


def tidy_rooms() -> dict[str, list[str]]:
    """By folder what clang-tidy checks: every source of bench/, every header of runtimes/, which go
    together. Tests are left out: they would take most of the time and ship nothing."""
    rooms: dict[str, list[str]] = {}
    for name in tracked("bench/*/*.cpp", "runtimes/*/*.hpp"):
        if not name.endswith("_test.cpp"):
            folders = Path(name).parts[: 1 if name.endswith(".hpp") else 2]
            rooms.setdefault("/".join(folders), []).append(name)
    return rooms


def clang_tidy() -> Counts:
    """Checks a folder as if it were one source file, for most of the time goes into what all of its
    files include."""
    directory = ROOT / "build" / "release"
    if not (directory / "compile_commands.json").exists():
        return one(False, "build/release is not configured: run the step `release` first")
    compiled = json.loads((directory / "compile_commands.json").read_text())
    commands = [each for each in compiled if each["file"].endswith(".cpp")]
    rooms = tidy_rooms()
    folder = LOGS / "clang-tidy"
    folder.mkdir(parents=True, exist_ok=True)

    def check(room: str) -> str:
        source = folder / f"{room.replace('/', '-')}.cpp"
        # Headers are reached through the link <build>/include/overlap -> runtimes.
        names = [re.sub("^runtimes/", "overlap/", name) for name in rooms[room]]
        source.write_text("".join(f'#include "{name}"\n' for name in names))
        command = ["clang-tidy-19", "--quiet", "--checks=-bugprone-suspicious-include"]
        shown = re.sub("^runtimes$", "overlap/[a-z_]+", room)  # The interface in C is beside them.
        command += [f"--header-filter=/{shown}/", str(source), "--"]
        beside = [each for each in commands if each["file"].startswith(f"{ROOT}/{room}/")]
        flags: dict[str, str] = {}  # The first definition of each macro.
        for each in beside or commands[:1]:
            given = shlex.split(each["command"])
            wanted = [flag for flag in given if re.match("-[DI]|-std", flag)]
            wanted += [f"-I{at}" for flag, at in zip(given, given[1:]) if flag == "-isystem"]
            for flag in wanted:
                flags.setdefault(flag.partition("=")[0], flag)
        command += [*flags.values(), f"-I{directory / 'include'}"]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        return ran.stdout + ran.stderr if ran.returncode else ""

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        said = "\n".join(text for text in pool.map(check, rooms) if text)
    (LOGS / "clang-tidy.log").write_text(said)
    found = dict.fromkeys(
        line for line in said.splitlines() if re.search("(error|warning): ", line)
    )
    return one(not said, "\n".join(found) or said)


def fuzz() -> Counts:
    """Each fuzzer makes up inputs for a while, from its seeds on. What it finds wrong stays in LOGS."""
    counts = built("fuzz", "fuzzers")
    if counts.failed:
        return counts
    running = []
    for seeds in sorted({(ROOT / name).parent for name in tracked("*/fuzz_seeds/*")}):
        (fuzzer,) = (path.stem for path in seeds.parent.glob("fuzz_*.cpp"))
        limits = [f"-max_total_time={FUZZING_S}", "-timeout=20", "-rss_limit_mb=2048"]
        command = [ROOT / "build" / "fuzz" / "fuzzers" / fuzzer, *limits]
        interesting = (
            LOGS / f"{fuzzer}-inputs"
        )  # From earlier runs, too: the first folder is its own.
        interesting.mkdir(exist_ok=True)
        command += [f"-artifact_prefix={LOGS}/{fuzzer}-", interesting, seeds]
        with (LOGS / f"{fuzzer}.log").open("wb") as log:
            running.append((log.name, subprocess.Popen(command, stdout=log, stderr=log)))
    for log, process in running:
        counts.add(one(process.wait() == 0, tail(Path(log))))
    return counts


def tested(preset: str) -> Step:
    return Step(check=lambda: ctest(preset), prepare=lambda: built(preset))


# Tests begin in this order, each when it is prepared; so what needs no build comes first, and what no
# test waits for is prepared last.
STEPS: dict[str, Step] = {
    "twins": Step(direct_twins),
    "clang-format": Step(clang_format),
    "shellcheck": Step(shellcheck),
    "black": Step(black),
    "documents": Step(documents),
    "scripts": Step(lambda: pytest("scripts", "scripts"), lane="pytest"),  # Of made up binaries.
    "release": tested("release"),
    "programs": Step(lambda: pytest("programs", "bench", "runtimes"), after="release"),
    **{name: tested(name) for name in SANITIZERS},
    "fuzz": Step(prepare=fuzz),
    "clang-tidy": Step(prepare=clang_tidy),
    "clang": Step(prepare=warnings),
}


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/test",
        description="Builds and tests the project, checks its style, and runs the tests again under "
        f"the sanitizers. Steps: {', '.join(STEPS)} ({' and '.join(ON_REQUEST)} only when "
        "asked for). The last line counts tests and checks.",
    )
    parser.add_argument("--quick", action="store_true", help="without the sanitizers")
    parser.add_argument("--only", choices=STEPS, action="append", metavar="STEP", help="repeatable")
    parser.add_argument(
        "--fresh",
        nargs="?",
        choices=RELEASES,
        const=RELEASES[0],
        metavar="RELEASE",
        help=f"in a minimal Debian made for it, what is committed: scripts/run and scripts/test with "
        f"all of their set-up ({' or '.join(RELEASES)}; as root)",
    )
    parser.add_argument("--keep", action="store_true", help="the root that --fresh made")
    options = parser.parse_args(arguments)
    if options.keep and not options.fresh:
        parser.error("--keep needs --fresh")
    return options


def check(options: argparse.Namespace) -> int:
    if options.fresh:
        return run_fresh(options.fresh, options.keep)
    left_out = (*ON_REQUEST, *(SANITIZERS if options.quick else ()))
    names = options.only or [name for name in STEPS if name not in left_out]
    LOGS.mkdir(parents=True, exist_ok=True)
    # A shell starts background jobs with SIGINT ignored, and so would be every program that the
    # tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    return run_steps(names, STEPS)


def main(arguments: Sequence[str] | None = None) -> int:
    return guarded("scripts/test", lambda: check(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
