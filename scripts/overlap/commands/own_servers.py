"""The servers that workloads need beside the binaries: started for a run, and ended with it."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from overlap.base.exits import UsageError
from overlap.measure.suite import Served
from overlap.servers import nginx
from overlap.servers.server import Server, StartError

CLIENTS = ("fetch",)  # Workloads that talk to it.
TICKS_S = 1.0 / os.sysconf("SC_CLK_TCK")


def cpu_s_of(server: Server) -> float:
    """What it has used so far; 0 when it is gone."""
    assert server.process
    try:
        stat = Path(f"/proc/{server.process.pid}/stat").read_text(encoding="ascii")
    except OSError:
        return 0.0
    user, system = stat.rpartition(")")[2].split()[11:13]  # The 14th and 15th field of proc(5).
    return (int(user) + int(system)) * TICKS_S


@contextmanager
def servers_of_run(options: argparse.Namespace, directory: Path) -> Iterator[Served]:
    """The server of one's own that was named, or nginx, with its files in the build directory. Where that
    does not start, the rows of fetch say why; other rows are measured."""
    if options.http:
        yield Served([f"--http={options.http}"])
    elif packages := nginx.missing():
        yield Served([f"--no_http=needs {packages}: ./scripts/setup --io installs them"])
    else:
        try:
            server = nginx.start(directory.resolve() / "servers" / "nginx")
        except (StartError, UsageError, OSError) as error:
            yield Served([f"--no_http={error}"])
            return
        assert server.process
        try:
            yield Served(
                [f"--http={nginx.url(server)}", f"--http_process={server.process.pid}"],
                {"nginx": server.settings},
                lambda: cpu_s_of(server),
            )
        finally:
            server.stop()
