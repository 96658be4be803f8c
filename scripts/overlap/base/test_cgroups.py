"""Limits of cgroups, read from trees as kernels and containers show them."""

import pytest

from overlap.base.cgroups import Limits, limits, quota_words


def tree(tmp_path, groups, files):
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


GROUP = "sys/fs/cgroup"


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {}, Limits()),
        ("0::/a/b\n", {f"{GROUP}/a/b/cpu.max": "max 100000\n"}, Limits()),
        ("0::/a/b\n", {f"{GROUP}/a/b/cpu.max": "150000 100000\n"}, Limits(cpus=1.5)),
        (
            "0::/a/b\n",
            {
                f"{GROUP}/a/b/cpu.max": "400000 100000\n",
                f"{GROUP}/a/cpu.max": "50000 100000\n",
                f"{GROUP}/a/memory.max": "1000000\n",
                f"{GROUP}/a/b/memory.max": "max\n",
                f"{GROUP}/a/b/pids.max": "77\n",
            },
            Limits(0.5, 1_000_000, 77),
        ),
        # A container sees its own group at the top, and may be told a path that is not there.
        ("0::/../../x\n", {f"{GROUP}/cpu.max": "20000 10000\n"}, Limits(cpus=2.0)),
        (
            "4:memory:/m\n1:cpu,cpuacct:/c\n8:pids:/\n",
            {
                f"{GROUP}/cpu/c/cpu.cfs_quota_us": "30000\n",
                f"{GROUP}/cpu/c/cpu.cfs_period_us": "10000\n",
                f"{GROUP}/memory/m/memory.limit_in_bytes": "4096\n",
                f"{GROUP}/pids/pids.max": "max\n",
            },
            Limits(3.0, 4096, None),
        ),
        (
            "4:memory:/m\n1:cpu:/c\n",
            {
                f"{GROUP}/cpu/c/cpu.cfs_quota_us": "-1\n",
                f"{GROUP}/cpu/c/cpu.cfs_period_us": "100000\n",
                f"{GROUP}/memory/m/memory.limit_in_bytes": "9223372036854771712\n",
            },
            Limits(),
        ),
        ("nonsense\n0:\n", {f"{GROUP}/cpu.max": "a b\n"}, Limits()),
    ],
)
def test_the_least_on_the_way_to_the_top_counts(tmp_path, groups, files, expected):
    assert limits(tree(tmp_path, groups, files)) == expected


def test_without_cgroups_nothing_limits(tmp_path):
    assert limits(tmp_path) == Limits()


def test_only_a_quota_below_the_cores_is_worth_a_word():
    assert quota_words(2.0, 2) == quota_words(None, 2) == ""
    assert quota_words(0.5, 2) == "CPU time held to 0.5 cores by a cgroup"
