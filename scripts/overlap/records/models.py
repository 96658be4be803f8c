"""What tells the backends of a table apart before their names do: how they run things at once."""

from overlap.records.rows import Row

FLOOR, SEQUENTIAL, OTHER = "floor", "sequential", "other"
MODELS = (
    FLOOR, SEQUENTIAL, "event loop", "loop per core", "fibers", "threads", "processes", OTHER,
)  # fmt: skip
# Of the suite's own backends, by how their names begin.
OWN = {
    "floor": FLOOR,
    "sequential": SEQUENTIAL,
    "coroutine:": "event loop",
    "sharded_": "loop per core",
    "stealing_": "loop per core",
    "fiber:": "fibers",
    "thread_": "threads",
    "process_": "processes",
}
OWN_LANGUAGE = "C++"
OWN_VERSION = "this suite"


def model_of(row: Row) -> str:
    """One of MODELS. A peer says its own; a runtime that somebody plugged in may be of any."""
    if row.model:
        return row.model if row.model in MODELS else OTHER
    return next((OWN[prefix] for prefix in OWN if row.backend.startswith(prefix)), OTHER)


def is_peer(row: Row) -> bool:
    """Whether it is somebody else's runtime. Ranks of MPI, which are asked as peers are, run ours."""
    return row.model != "" and row.backend.split("+")[0] != "mpi"


def language_of(row: Row) -> str:
    return row.language or OWN_LANGUAGE


def place_of(model: str) -> int:
    """Of a model among those of a table."""
    return MODELS.index(model)


def is_absent(row: Row) -> bool:
    """Whether it is a peer's that cannot run here at all: for it one word a table is enough."""
    return row.model != "" and row.skip.startswith("skipped")
