"""Runs every check of the project and closes with one line that counts them.

Each step runs although an earlier one failed. What a step prints goes to build/test-logs/; of one
that failed, the end is shown.

Tests mostly wait, and builds compute: so all that is to be built is built by a second process, one
preset after another, while the tests of what is ready run here; those of scripts/, which measure no time,
in a lane of their own. That process and what it starts have the lowest priority, for tests that measure
time to find the cores as good as free.
"""

import argparse
import json
import multiprocessing
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as xml
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from overlap.base.building import build, logged, tail
from overlap.base.exits import BuildError, guarded
from overlap.base.machine import ROOT
from overlap.project import twins
from overlap.project.fresh import RELEASES, run_fresh

LOGS = ROOT / "build" / "test-logs"
SANITIZERS = ("asan", "tsan")  # The first has the checks for undefined behaviour, too.
PARALLEL_TESTS = 6  # They wait more than they compute.
ON_REQUEST = ("clang",)  # What it finds, tsan (built with clang) and clang-tidy find as well.
FAILURES_SHOWN = 10
FUZZING_S = 20  # Of each fuzzer.
LOWEST_PRIORITY = 19  # See nice(2).
FORK = multiprocessing.get_context("fork")


@dataclass
class Counts:
    """The outcome of a step. `shown` is what a person needs to see of its failures."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    shown: str = ""

    def add(self, other: "Counts") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


@dataclass(frozen=True)
class Step:
    """A check, and what computes for it at the lowest priority before it begins: a build, of which it
    is told whether that went well; or, where there is nothing else to do, the check itself. It waits for
    what was prepared for the step `after`, too. Those of one lane run one after another."""

    check: Callable[[], Counts] | None = None
    prepare: Callable[[], Counts] | None = None
    after: str = ""
    lane: str = ""


def one(good: bool, shown: str) -> Counts:
    """The counts of a check that holds or does not."""
    return Counts(passed=1) if good else Counts(failed=1, shown=shown)


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
    """By folder what clang-tidy checks: every source of bench/, every header of runtimes/. Tests are
    left out: they would take most of the time and ship nothing."""
    rooms: dict[str, list[str]] = {}
    for name in tracked("bench/*/*.cpp", "runtimes/*/*.hpp"):
        if not name.endswith("_test.cpp"):
            rooms.setdefault("/".join(Path(name).parts[:2]), []).append(name)
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
        command += [f"--header-filter=/({room}|{names[0].rpartition('/')[0]})/", str(source), "--"]
        beside = (each for each in commands if each["file"].startswith(f"{ROOT}/{room}/"))
        flags = shlex.split(next(beside, commands[0])["command"])
        command += [flag for flag in flags if re.match("-[DI]|-std", flag)]
        command += [f"-I{at}" for flag, at in zip(flags, flags[1:]) if flag == "-isystem"]
        command += [f"-I{directory / 'include'}"]
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


def timed(do: Callable[[], Counts]) -> tuple[Counts, float]:
    """What a check counts, and how many seconds it took. One that cannot be started has failed."""
    begun = time.monotonic()
    try:
        counts = do()
    except (OSError, subprocess.CalledProcessError) as error:
        counts = one(False, str(error))
    return counts, time.monotonic() - begun


class Results:
    """What was prepared for one lane to hear of; to be asked in one process only."""

    def __init__(self, source: Connection, expected: set[str]) -> None:
        self._source = source
        self._expected = expected
        self._arrived: dict[str, tuple[Counts, float]] = {}

    def of(self, name: str) -> tuple[Counts, float]:
        """Waits for a step to be prepared; not for one that nobody prepares."""
        while name in self._expected and name not in self._arrived:
            try:
                step, result = self._source.recv()
            except EOFError:
                return one(False, f"the process that prepares {name} has died"), 0.0
            self._arrived[step] = result
        return self._arrived.get(name, (Counts(), 0.0))


class Preparation:
    """Another process that prepares steps one after another, and tells each lane of it."""

    def __init__(
        self, names: Sequence[str], steps: Mapping[str, Step], lanes: Iterable[str]
    ) -> None:
        prepared = {name for name in names if steps[name].prepare}
        pipes = {lane: FORK.Pipe(duplex=False) for lane in lanes}
        self.results = {lane: Results(ours, prepared) for lane, (ours, _) in pipes.items()}
        senders = [sender for _, sender in pipes.values()]
        self._process = FORK.Process(target=self._prepare, args=(names, steps, senders))
        self._process.start()
        for sender in senders:
            sender.close()

    @staticmethod
    def _prepare(
        names: Sequence[str], steps: Mapping[str, Step], senders: Sequence[Connection]
    ) -> None:
        os.setpgid(0, 0)
        os.nice(LOWEST_PRIORITY)
        for name in names:
            if prepare := steps[name].prepare:
                result = timed(prepare)
                for sender in senders:
                    sender.send((name, result))

    def end(self) -> None:
        """Ends the process and all that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)  # Ninja passes it on.
        self._process.join()


def run_step(name: str, step: Step, results: Results) -> tuple[Counts, str]:
    """How a step went, and how long it took in words. What could not be built is not tested."""
    if results.of(step.after)[0].failed:
        return one(False, f"{step.after} could not be built"), "0 s"
    if step.prepare is None:
        counts, spent = timed(step.check)
        return counts, f"{spent:.0f} s"
    counts, prepared_in = results.of(name)
    if step.check is None or counts.failed:
        return counts, f"{prepared_in:.0f} s"
    counts, spent = timed(step.check)
    return counts, f"{spent:.0f} s, built in {prepared_in:.0f} s"


def run_lane(names: Sequence[str], steps: Mapping[str, Step], results: Results) -> Counts:
    """Runs its steps and prints how each went. Returns their counts together."""
    total = Counts()
    for name in names:
        counts, times = run_step(name, steps[name], results)
        # In one piece, for another lane prints as well.
        print("\n".join(filter(None, (f"{name}, {times}: {counts}", counts.shown))), flush=True)
        total.add(counts)
    return total


class Lane:
    """One that another process runs."""

    def __init__(self, names: Sequence[str], steps: Mapping[str, Step], results: Results) -> None:
        self._counts, sender = FORK.Pipe(duplex=False)

        def run() -> None:
            with suppress(KeyboardInterrupt):
                sender.send(run_lane(names, steps, results))

        self._process = FORK.Process(target=run)
        self._process.start()
        sender.close()

    def counts(self) -> Counts:
        """Waits for its end."""
        try:
            return self._counts.recv()
        except EOFError:
            return one(False, "")

    def end(self) -> None:
        """Interrupts it where it still runs: then it ends what it has started."""
        if self._process.is_alive():
            os.kill(self._process.pid, signal.SIGINT)
        self._process.join()


def run_steps(names: Sequence[str], steps: Mapping[str, Step]) -> int:
    """Runs the steps, prints how each went and the closing line, and returns the exit code."""
    lanes: dict[str, list[str]] = {"": []}
    for name in names:
        lanes.setdefault(steps[name].lane, []).append(name)
    preparation = Preparation(names, steps, lanes)
    others = [
        Lane(lanes[lane], steps, results) for lane, results in preparation.results.items() if lane
    ]
    try:
        total = run_lane(lanes[""], steps, preparation.results[""])
        for other in others:
            total.add(other.counts())
    finally:
        for other in others:
            other.end()
        preparation.end()
    print(total)
    return 1 if total.failed or not total.passed else 0


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
