"""Measures somebody's own work on everything that can run it, and says what to pick."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from overlap.base.exits import CODES, UsageError, guarded
from overlap.base.machine import shown
from overlap.base.quantities import count, duration, size
from overlap.base.units import duration as in_words
from overlap.commands import run, stages
from overlap.commands.own_servers import CLIENTS, add_options, servers_of_run
from overlap.commands.stages import FOLDER, Asked, Stage
from overlap.measure.contamination import read_machine
from overlap.measure.measurement import alone
from overlap.commands.own_work import (
    LEAST_FOR_MEMORY,
    ClientWork,
    EchoWork,
    MixedWork,
    Work,
    seconds_per_step,
)
from overlap.measure.samples import utc_now
from overlap.measure.suite import Served

MOST_TASKS, MOST_ROUNDS = 1_000_000, 1_000_000
WITHIN_S = 60.0
OWN_SHARE = 0.7  # Of the time, for the work itself; its neighbours share the rest.
FINALISTS = 3
WANTED = ("time", "cpu", "memory", "responsive")
MOST_RATE, MOST_BYTES = 10_000_000, 2**30
MOST_CONNECTIONS, MOST_EXCHANGES = 10_000, 100_000

EXAMPLES = f"""examples:
  scripts/choose --tasks 2000 --wait 20ms --compute 200us
  scripts/choose --tasks 64 --compute 5ms --want cpu
  scripts/choose --tasks 10k --wait 100ms --want memory --peers asyncio,go
  scripts/choose --tasks 50 --wait 1ms --compute 2ms --rounds 10 --want responsive --dry-run
  scripts/choose --io echo --tasks 500 --rate 10k --bytes 1KB
  scripts/choose --io fetch --tasks 100 --wait 20ms --peers asyncio,go

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
    add(
        "--io",
        choices=("echo", *CLIENTS),
        help="each task serves a connection and sends back what it reads; or is a client that gets JSON "
        "documents by HTTP, or asks PostgreSQL by key, with --wait for how long that lets it wait",
    )
    add(
        "--rate",
        type=count(MOST_RATE),
        metavar="N",
        help="--io echo: messages per second in all, e.g. 10k",
    )
    add("--bytes", type=size, metavar="SIZE", help="--io echo: of each message (default: 64B)")
    add("--wait", type=duration, default=0.0, metavar="TIME", help="per round, e.g. 20ms")
    add("--compute", type=duration, default=0.0, metavar="TIME", help="per round, e.g. 200us")
    add(
        "--rounds",
        type=count(MOST_ROUNDS),
        metavar="N",
        help="per task (default: 1; of clients, as many as fit)",
    )
    add("--cores", type=count(4096), metavar="N", help="how many to use (default: all)")
    add("--memory", type=size, metavar="SIZE", help="pick nothing that needs more, e.g. 1GB")
    add("--want", choices=WANTED, default="time", help="what matters most (default: time)")
    add("--peers", metavar="NAMES", help="also other people's runtimes, e.g. asyncio,go")
    add("--within", type=duration, default=WITHIN_S, metavar="TIME", help="default: about 1min")
    add("--dry-run", action="store_true", help="show the case and how long it takes; stop")
    add("--build", type=Path, metavar="DIR", help="use this build as it is instead of building")
    add_options(add)
    return parser.parse_args(arguments)


def _work(options: argparse.Namespace) -> Work:
    here = stages.cores_here()
    if options.cores and options.cores > here:
        raise UsageError(f"--cores {options.cores}: expected 1 to {here}, the cores there are here")
    if options.memory and options.tasks < LEAST_FOR_MEMORY and not options.io:
        raise UsageError(
            f"--memory: the peak of {options.tasks} tasks drowns in the program's own; expected "
            f"--tasks {LEAST_FOR_MEMORY} or more"
        )
    if options.within < 1:
        raise UsageError("--within: expected at least a second")
    if options.io in CLIENTS:
        return _client(options)
    return _echo(options) if options.io else _mixed(options)


def _mixed(options: argparse.Namespace) -> MixedWork:
    for name in ("rate", "bytes"):
        if getattr(options, name):
            raise UsageError(f"--{name}: of messages; add --io echo")
    if not options.wait and not options.compute:
        raise UsageError("the tasks do nothing: expected --wait, --compute or both")
    waits = {"wait_s": options.wait, "compute_s": options.compute, "rounds": options.rounds or 1}
    return MixedWork(options.tasks, options.cores, **waits)


def _echo(options: argparse.Namespace) -> EchoWork:
    for name in ("wait", "compute", "rounds"):
        if getattr(options, name):
            raise UsageError(
                f"--{name}: a server that echoes only answers; leave --io out for that"
            )
    in_bytes = options.bytes or 64
    if in_bytes != int(in_bytes) or in_bytes > MOST_BYTES:
        raise UsageError(f"--bytes: expected a whole number of bytes, at most {MOST_BYTES:,}")
    return EchoWork(options.tasks, options.cores, rate=options.rate, bytes=int(in_bytes))


def _client(options: argparse.Namespace) -> ClientWork:
    for name in ("compute", "rate", "bytes"):
        if getattr(options, name):
            raise UsageError(f"--{name}: not of clients, which ask and wait; leave it out")
    if options.wait * 1000 != round(options.wait * 1000):
        raise UsageError("--wait: expected whole milliseconds, as servers count")
    if options.tasks > MOST_CONNECTIONS or (options.rounds or 1) > MOST_EXCHANGES:
        raise UsageError(
            f"--io {options.io}: expected at most {MOST_CONNECTIONS:,} --tasks of {MOST_EXCHANGES:,} "
            "--rounds"
        )
    waits = {"io": options.io, "wait_s": options.wait, "rounds": options.rounds}
    return ClientWork(options.tasks, options.cores, **waits)


def act(options: argparse.Namespace) -> int:
    work = _work(options)
    metric = work.metric_of(options.want)
    read_machine()  # Where it cannot be read, nothing can be measured.
    begun = f"{utc_now():%Y%m%dT%H%M%SZ}"
    options.build = options.build and options.build.resolve()
    step_s = 0.0
    if work.computes:
        step_s = seconds_per_step(run.built(options) / "bench" / "bench_mix")
    with ExitStack() as servers:
        served = Served()
        if options.io in CLIENTS:
            directory = run.built(options)
            served = servers.enter_context(servers_of_run(options, directory, [options.io]))
            (first, *_) = served.arguments
            if first.startswith("--no_"):
                raise UsageError(f"--io {options.io}: {first.partition('=')[2]}")
        asked = Asked(metric, options.peers, options.build, step_s, served)
        return _asked(work, begun, asked, options)


def _asked(work: Work, begun: str, asked: Asked, options: argparse.Namespace) -> int:
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


def _neighbours(
    stage: Stage, asked: Asked, options: argparse.Namespace, backends: Sequence[str]
) -> Iterator[tuple[str, Stage]]:
    """In words, what is ten times as much, and how it is measured."""
    neighbours = stage.work.neighbours()
    if asked.metric == "memory":  # A waiting task takes what it takes.
        neighbours = dict(list(neighbours.items())[:1])
    within_s = (1 - OWN_SHARE) * options.within / len(neighbours)
    for words, work in neighbours.items():
        path = _beside(stage.specification, work.name)
        yield words, stages.of_neighbour(asked, work, path, within_s, backends)


def _beside(path: Path, name: str) -> Path:
    return path.with_stem(f"{path.stem}-{name}")


def _dry_run(stage: Stage, asked: Asked, options: argparse.Namespace) -> Iterator[str]:
    yield stage.work.in_words(stages.cores_here())
    yield f"\n{stage.specification.read_text(encoding='utf-8')}"
    stage.specification.unlink()
    first = stage.work.workloads()[0]
    measured = [row for row in stage.runnable if row.workload == first and not row.placebo_of]
    names = dict.fromkeys(row.backend for row in measured)
    yield f"on {', '.join(names)}"
    yield from stage.left_out()
    total_s = stage.seconds()
    if stages.memory_apart(stage.work):
        memory = stages.of_memory(asked, stage.work, _beside(stage.specification, "memory"))
        memory.specification.unlink()
        total_s += memory.seconds()
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

    metric = METRICS[asked.metric]
    work = stage.work
    sources = dict.fromkeys(work.workloads(), from_records(stages.measure(stage)))
    if stages.memory_apart(work):
        apart = stages.of_memory(asked, work, _beside(stage.specification, "memory"))
        sources[work.figures["memory"]] = from_records(stages.measure(apart))
    figures = {name: (sources[of], f"{of}/{work.name}") for name, of in work.figures.items()}
    excluded = too_large(*figures["memory"], options.memory) if options.memory else {}
    pick = pick_of(*figures[metric.name], metric, excluded)
    neighbours = []
    backends = finalists(figures[metric.name][0], pick, FINALISTS) if pick.tier else []
    for words, part in _neighbours(stage, asked, options, backends) if backends else ():
        if not part.runnable:
            neighbours.append(Neighbour(words, why=part.rows[0].skip))
            continue
        there = from_records(stages.measure(part))
        case = f"{work.figures[metric.name]}/{part.work.name}"
        neighbours.append(Neighbour(words, pick_of(there, case, metric, {}), there))
    closer, left_out = list(_closer(stage, asked, options)), list(stage.left_out())
    in_words = work.in_words(stages.cores_here())
    answer = Answer(in_words, figures, pick, neighbours, left_out, closer)
    print_terminal(answer, Console(highlight=False))
    return 0 if pick.tier else 1


def _closer(stage: Stage, asked: Asked, options: argparse.Namespace) -> Iterator[str]:
    """Commands."""
    specification = shown(stage.specification)
    given = ((name, getattr(options, name)) for name in ("peers", "http", "postgres"))
    also = "".join(f" --{name} {value}" for name, value in given if value)
    yield f"./scripts/run --workloads {specification} --profile standard{also}"
    records = specification.with_suffix(".jsonl")
    yield f"./scripts/compare {records} --metric {asked.metric}"


def main(arguments: Sequence[str] | None = None) -> int:
    return guarded("scripts/choose", lambda: act(parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
