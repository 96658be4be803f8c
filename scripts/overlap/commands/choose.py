"""Measures somebody's own work on everything that can run it, and says what to pick."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from overlap.base.exits import CODES, UsageError, guarded
from overlap.base.machine import shown
from overlap.base.quantities import count, duration, size
from overlap.base.units import duration as in_words
from overlap.base.units import seconds
from overlap.commands import run, stages
from overlap.commands.stages import FOLDER, HEARTBEAT, MIX, SLEEPS, Asked, Stage
from overlap.measure.contamination import read_machine
from overlap.measure.measurement import alone
from overlap.commands.own_work import LEAST_FOR_MEMORY, TIMES, Work, seconds_per_step
from overlap.measure.samples import utc_now

MOST_TASKS, MOST_ROUNDS = 1_000_000, 1_000_000
WITHIN_S = 60.0
OWN_SHARE = 0.7  # Of the time, for the work itself; its neighbours share the rest.
FINALISTS = 3
WANTED = {"time": "wall", "cpu": "cpu", "memory": "memory", "responsive": "gap"}

EXAMPLES = f"""examples:
  scripts/choose --tasks 2000 --wait 20ms --compute 200us
  scripts/choose --tasks 64 --compute 5ms --want cpu
  scripts/choose --tasks 10k --wait 100ms --want memory --peers asyncio,go
  scripts/choose --tasks 50 --wait 1ms --compute 2ms --rounds 10 --want responsive --dry-run

exit codes: 0 there is a pick; 1 nothing could be measured; {CODES}"""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/choose",
        description="Which way of running your work to pick, and what each of the others would cost. "
        "The work is written as a case, measured here in about a minute, and judged.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--tasks", type=count(MOST_TASKS), required=True, metavar="N", help="e.g. 2000 or 10k")
    add("--wait", type=duration, default=0.0, metavar="TIME", help="per round, e.g. 20ms")
    add("--compute", type=duration, default=0.0, metavar="TIME", help="per round, e.g. 200us")
    add("--rounds", type=count(MOST_ROUNDS), default=1, metavar="N", help="per task (default: 1)")
    add("--cores", type=count(4096), metavar="N", help="how many to use (default: all)")
    add("--memory", type=size, metavar="SIZE", help="pick nothing that needs more, e.g. 1GB")
    add("--want", choices=WANTED, default="time", help="what matters most (default: time)")
    add("--peers", metavar="NAMES", help="also other people's runtimes, e.g. asyncio,go")
    add("--within", type=duration, default=WITHIN_S, metavar="TIME", help="default: about 1min")
    add("--dry-run", action="store_true", help="show the case and how long it takes; stop")
    add("--build", type=Path, metavar="DIR", help="use this build as it is instead of building")
    options = parser.parse_args(arguments)
    _check(options)
    return options


def _check(options: argparse.Namespace) -> None:
    if not options.wait and not options.compute:
        raise UsageError("the tasks do nothing: expected --wait, --compute or both")
    here = stages.cores_here()
    if options.cores and options.cores > here:
        raise UsageError(f"--cores {options.cores}: expected 1 to {here}, the cores there are here")
    if options.want == "responsive" and not options.compute:
        raise UsageError("--want responsive: tasks that only wait hold up nothing; add --compute")
    if options.memory and options.tasks < LEAST_FOR_MEMORY:
        raise UsageError(
            f"--memory: the peak of {options.tasks} tasks drowns in the program's own; expected "
            f"--tasks {LEAST_FOR_MEMORY} or more"
        )
    if options.within < 1:
        raise UsageError("--within: expected at least a second")


def act(options: argparse.Namespace) -> int:
    read_machine()  # Where it cannot be read, nothing can be measured.
    begun = f"{utc_now():%Y%m%dT%H%M%SZ}"
    work = Work(options.tasks, options.wait, options.compute, options.rounds, options.cores)
    options.build = options.build and options.build.resolve()
    step_s = seconds_per_step(run.built(options) / "bench" / "bench_mix")
    asked = Asked(options.want, options.peers, options.build, step_s)
    within_s = OWN_SHARE * options.within
    stage = stages.of_work(asked, work, FOLDER / f"{begun}.toml", within_s)
    if not stage.runnable:
        stage.specification.unlink()
        raise UsageError(_too_much(stage, options))
    if options.dry_run:
        print(*_dry_run(stage, asked, options), sep="\n")
        return 0
    with alone(stage.suite.directory):
        return _answer(stage, asked, options)


def _too_much(stage: Stage, options: argparse.Namespace) -> str:
    cheapest = min(stage.rows, key=lambda row: row.expected_s)
    return (
        f"nothing can run that here in {in_words(options.within)}: {cheapest.backend}: "
        f"{cheapest.skip}; give a part of the tasks, or more time with --within"
    )


def _in_words(work: Work) -> str:
    from overlap.show.choice_page import work_in_words

    cores = work.cores or stages.cores_here()
    return work_in_words(work.tasks, work.rounds, work.wait_s, work.compute_s, cores)


def _neighbours(
    stage: Stage, asked: Asked, options: argparse.Namespace, backends: Sequence[str]
) -> Iterator[tuple[str, Stage]]:
    """In words, what is ten times as much, and how it is measured."""
    neighbours = stage.work.neighbours()
    if asked.decides == SLEEPS:
        neighbours.pop("compute", None)  # A waiting task takes what it takes.
    within_s = (1 - OWN_SHARE) * options.within / len(neighbours)
    for what, work in neighbours.items():
        number = f"{work.tasks:,}" if what == "tasks" else seconds(work.compute_s)
        path = _beside(stage.specification, work.name)
        words = f"{TIMES} times the {what} ({number})"
        yield words, stages.of_neighbour(asked, work, path, within_s, backends)


def _beside(path: Path, name: str) -> Path:
    return path.with_stem(f"{path.stem}-{name}")


def _dry_run(stage: Stage, asked: Asked, options: argparse.Namespace) -> Iterator[str]:
    yield _in_words(stage.work)
    yield f"\n{stage.specification.read_text(encoding='utf-8')}"
    stage.specification.unlink()
    measured = [row for row in stage.runnable if row.workload == MIX and not row.placebo_of]
    names = dict.fromkeys(row.backend for row in measured)
    yield f"on {', '.join(names)}"
    yield from stage.left_out()
    memory = stages.of_memory(asked, stage.work, _beside(stage.specification, "memory"))
    memory.specification.unlink()
    total_s = stage.seconds() + memory.seconds()
    backends = stages.cheapest_of_models(stage.runnable, FINALISTS)
    for words, neighbour in _neighbours(stage, asked, options, backends):
        neighbour.specification.unlink()
        total_s += neighbour.seconds()
        why = "" if neighbour.runnable else neighbour.rows[0].skip
        yield f"not {words}: {why}" if why else f"then {words}, on the best of them"
    yield f"takes about {in_words(total_s)}"


def _answer(stage: Stage, asked: Asked, options: argparse.Namespace) -> int:
    from rich.console import Console

    from overlap.judge.choice import finalists, pick_of, too_large
    from overlap.judge.metrics import METRICS
    from overlap.judge.series import from_records
    from overlap.show.choice_page import Answer, Neighbour, print_terminal

    metric = METRICS[WANTED[options.want]]
    work = stage.work
    source = from_records(stages.measure(stage))
    path = stage.specification
    memory = from_records(stages.measure(stages.of_memory(asked, work, _beside(path, "memory"))))
    figures = {name: (source, f"{MIX}/{work.name}") for name in ("wall", "cpu")}
    figures["memory"] = (memory, f"{SLEEPS}/{work.name}")
    if work.compute_s:
        figures["gap"] = (source, f"{HEARTBEAT}/{work.name}")
    excluded = too_large(*figures["memory"], options.memory) if options.memory else {}
    pick = pick_of(*figures[metric.name], metric, excluded)
    neighbours = []
    backends = finalists(figures[metric.name][0], pick, FINALISTS) if pick.tier else []
    for words, part in _neighbours(stage, asked, options, backends) if backends else ():
        if not part.runnable:
            neighbours.append(Neighbour(words, why=part.rows[0].skip))
            continue
        there = from_records(stages.measure(part))
        case = f"{asked.decides}/{part.work.name}"
        neighbours.append(Neighbour(words, pick_of(there, case, metric, {}), there))
    closer, left_out = list(_closer(stage, options)), list(stage.left_out())
    answer = Answer(_in_words(work), figures, pick, neighbours, left_out, closer)
    print_terminal(answer, Console(highlight=False))
    return 0 if pick.tier else 1


def _closer(stage: Stage, options: argparse.Namespace) -> Iterator[str]:
    """Commands."""
    specification = shown(stage.specification)
    peers = f" --peers {options.peers}" if options.peers else ""
    yield f"./scripts/run --workloads {specification} --profile standard{peers}"
    records = specification.with_suffix(".jsonl")
    yield f"./scripts/compare {records} --metric {WANTED[options.want]}"


def main(arguments: Sequence[str] | None = None) -> int:
    return guarded("scripts/choose", lambda: act(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
