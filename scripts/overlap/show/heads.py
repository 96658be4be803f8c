"""What was measured where, and how to read it: the lines around the tables of a run."""

from overlap.base.cgroups import quota_words
from overlap.base.units import NOT_MEASURED, in_blocks, share
from overlap.judge.series import is_dirty
from overlap.records.files import Records

READING = (
    "C, concurrency: tasks in flight, averaged over the run (sum of task lifetimes / wall time).",
    "P, parallelism: cores kept busy (CPU time of the runtime and its children / wall time).",
)


def head_line(records: Records) -> str:
    machine, suite = records.head["machine"], records.head["suite"]
    blocks = {sample["block"] for sample in records.samples}
    commit = suite["commit"][:10] or "unknown"
    parts = [
        f"{machine['host']}: {machine['cpu']}, {machine['cores']} cores",
        *filter(None, [quota_words(machine.get("cgroup_cpus"), machine["cores"])]),
        machine["kernel"],
        str(records.context.get("compiler", "compiler unknown")),
        f"commit {commit}" + (" with local changes" if suite["modified"] else ""),
        f"{in_blocks(len(blocks))} ({records.head['profile']})",
        f"{share(contaminated_share(records))} of {len(records.samples)} samples contaminated",
    ]
    return " · ".join(parts)


def closing_lines(records: Records) -> list[str]:
    lines = [*READING, f"{NOT_MEASURED}: not measured for that row."]
    harness = harness_share(records)
    if harness is not None:
        lines.append(f"harness: at most {share(harness)} of any row's wall time.")
    if records.problems:
        lines.append(f"{records.path}: {len(records.problems)} of its lines are not sound.")
    if records.cut_short:
        lines.append(f"{records.path}: {records.cut_short} and is left out.")
    return lines


def harness_share(records: Records) -> float | None:
    """The largest share of a sample's wall time that the harness itself took."""
    shares = [s["counters"].get("harness_share") for s in records.samples if "counters" in s]
    return max((share for share in shares if share is not None), default=None)


def contaminated_share(records: Records) -> float:
    """The share of samples during which the machine was busy with something else."""
    samples = records.samples
    return sum(map(is_dirty, samples)) / len(samples) if samples else 0.0
