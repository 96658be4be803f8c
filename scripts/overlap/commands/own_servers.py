"""The servers that workloads need beside the binaries: started for a run, and ended with it."""

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from overlap.base.exits import UsageError
from overlap.measure.suite import Served
from overlap.servers import nginx, postgresql
from overlap.servers.server import Server, StartError

TICKS_S = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Service:
    """A kind of server: how it is started, and the option that names one of one's own, to this command as
    to the binaries."""

    name: str
    module: ModuleType
    option: str


# By the workloads that talk to them.
SERVICES = {
    "fetch": Service("nginx", nginx, "http"),
    "query": Service("postgresql", postgresql, "postgres"),
}
CLIENTS = tuple(SERVICES)


def add_options(add: Callable[..., object]) -> None:
    """Those that name a server of one's own, to a parser."""
    add(
        "--http",
        metavar="URL",
        help="a server of one's own for workload fetch, e.g. http://127.0.0.1:8080, with the documents "
        "that bench/README.md says; otherwise nginx is started (./scripts/setup --io)",
    )
    add(
        "--postgres",
        metavar="URL",
        help="a server of one's own for workload query, e.g. postgresql://me@127.0.0.1:5432/bench, with the "
        "accounts that bench/README.md says, and a password in PGPASSWORD; otherwise PostgreSQL is started "
        "(./scripts/setup --io)",
    )


def cpu_s_of(server: Server) -> float:
    """What it and all its processes have used so far; 0 when it is gone."""
    assert server.process
    ticks, processes = 0, [str(server.process.pid)]
    for process in processes:  # Which grows meanwhile.
        folder = Path("/proc") / process
        try:
            stat = (folder / "stat").read_text(encoding="ascii")
            processes += (folder / "task" / process / "children").read_text("ascii").split()
        except OSError:
            continue
        # The 14th to 17th field of proc(5): its own time, and that of children that have ended.
        ticks += sum(map(int, stat.rpartition(")")[2].split()[11:15]))
    return ticks * TICKS_S


@contextmanager
def serving(service: Service, options: argparse.Namespace, directory: Path) -> Iterator[Served]:
    """The server of one's own that was named, or ours, with its files in the build directory. Where that
    does not start, the rows that need it say why; other rows are measured."""
    option, module = service.option, service.module
    if named := getattr(options, option):
        yield Served([f"--{option}={named}"])
    elif packages := module.missing():
        yield Served(
            [f"--no_{option}=needs {packages}: ./scripts/setup --io installs what it takes"]
        )
    else:
        try:
            server = module.start(directory.resolve() / "servers" / service.name)
        except (StartError, UsageError, OSError) as error:
            yield Served([f"--no_{option}={error}"])
            return
        try:
            yield Served(
                [f"--{option}={module.url(server)}", f"--{option}_process={server.process.pid}"],
                {service.name: server.settings},
                lambda: cpu_s_of(server),
            )
        finally:
            server.stop()


@contextmanager
def servers_of_run(
    options: argparse.Namespace, directory: Path, workloads: Iterable[str]
) -> Iterator[Served]:
    """Those that some of these workloads talk to."""
    needed = [service for workload, service in SERVICES.items() if workload in workloads]
    with ExitStack() as stack:
        each = [stack.enter_context(serving(service, options, directory)) for service in needed]
        yield Served(
            [argument for served in each for argument in served.arguments],
            {name: settings for served in each for name, settings in served.settings.items()},
            lambda: sum(served.cpu_s() for served in each),
        )
