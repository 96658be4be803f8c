"""Dask's distributed scheduler on this machine: a worker process per core with one thread, kept from run to run.

A task is a future of client.map(), which are gathered. They are not pure: Dask would answer from memory what it
has computed for the same arguments. It hands out tasks one by one, and it is the only peer here that could hand
them to other machines, which is what it pays for. It has nothing that serves connections.
"""

from collections.abc import Callable, Iterable
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import distributed
from blocking import cores
from process_tasks import Task, run_by
from protocol import Case, serve

WORKERS = cores()


def gather(
    client: distributed.Client,
    each: Callable[..., Any],
    task: Task,
    case: Case,
    arguments: Iterable[int],
) -> list[Any]:
    futures = client.map(partial(each, task, case), list(arguments), pure=False)
    return client.gather(futures)


if __name__ == "__main__":
    with TemporaryDirectory() as place, distributed.LocalCluster(
        n_workers=WORKERS, threads_per_worker=1, dashboard_address=None, local_directory=place
    ) as cluster, distributed.Client(cluster) as client:
        serve(
            partial(run_by, partial(gather, client)),
            f"Dask {distributed.__version__.partition('+')[0]}",
            task_limit=WORKERS,
        )
