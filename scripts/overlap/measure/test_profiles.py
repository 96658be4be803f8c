import tomllib

import pytest

from overlap.base.exits import UsageError
from overlap.base.machine import ROOT
from overlap.judge.statistics import least_blocks
from overlap.measure.profiles import read_profiles
from overlap.records.rows import Row


SOUND = "[a]\nblocks = 1\ntraced = 1\nmemory = 1\ncounted = 1\n"


def row(name, skip=""):
    workload, case, backend = name.split("/")
    return Row(name, workload, case, backend, 1, "task", 1.0, skip)


def test_the_numbers_of_blocks():
    blocks = {name: profile.blocks for name, profile in read_profiles().items()}
    assert blocks == {
        **{"smoke": 3, "quick": 9, "peers": 12, "curves": 6},
        **{"standard": 30, "report": 60},
    }


def test_only_profiles_for_an_overview_leave_rows_out():
    leaving_out = [
        name
        for name, profile in read_profiles().items()
        if any(rule.blocks == 0 for rule in profile.fewer)
    ]
    assert leaving_out == ["quick", "peers", "curves"]


def test_slow_rows_are_in_blocks_enough_for_what_a_profile_is_for():
    slow = {name: profile.slow for name, profile in read_profiles().items()}
    assert slow["smoke"] == ()
    for name in ("standard", "report"):
        assert all(rule.blocks >= least_blocks(1) for rule in slow[name])


def test_every_rule_names_cases_that_exist():
    specification = tomllib.loads((ROOT / "bench" / "workloads.toml").read_text())
    cases = [f"{workload}/{case}" for workload, of in specification.items() for case in of]
    backends = ("sequential", "thread_pool", "thread_per_task", "process_per_task", "fiber:epoll")
    rows = [f"{case}/{backend}" for case in cases for backend in backends]
    for rule in [rule for profile in read_profiles().values() for rule in profile.fewer]:
        assert any(rule.rows.search(name) for name in rows), rule.rows.pattern


def test_rules_apply_to_rows_that_could_run():
    profiles = read_profiles()
    quick, standard = profiles["quick"], profiles["standard"]
    left_out, all_blocks = quick.apply(map(row, ("sleeps/1m_1s/floor", "sleeps/20_50ms/floor")))
    (fewer,) = standard.apply([row("sleeps/1m_1s/floor")])
    assert left_out.skip.startswith("left out of quick: ") and left_out.blocks is None
    assert fewer.blocks == 10 and fewer.because and not fewer.skip
    assert all_blocks == row("sleeps/20_50ms/floor")
    cannot = row("sleeps/1m_1s/floor", skip="limit: 3 tasks")
    assert quick.apply([cannot]) == [cannot]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[a]\nblocks = 1", r"\[a\]: expected whole numbers"),
        ("[a]\nblocks = true\ntraced = 1\nmemory = 1\ncounted = 1", "expected whole numbers"),
        ("[a]\nblocks = 1\ntraced = 1\nmemory = 2\ncounted = 1", "memory <= traced <= blocks"),
        (f"{SOUND}slow = 5", "tables `slow` and `fewer`"),
        (f"{SOUND}slow = [5]", "slow: expected sample_s, in seconds, and blocks"),
        (f"{SOUND}slow = [{{ sample_s = 5 }}]", "slow: expected sample_s"),
        (f"{SOUND}slow = [{{ sample_s = 0, blocks = 2 }}]", "slow: expected sample_s"),
        (f"{SOUND}slow = [{{ sample_s = 1, blocks = true }}]", "slow: expected sample_s"),
        (f"{SOUND}slow = [{{ sample_s = 1, blocks = 0 }}]", "slow: expected sample_s"),
        ("[a]\nblocks = 0\ntraced = 0\nmemory = 0\ncounted = 0", "blocks from 1 on"),
        ("a = 1", r"\[a\]: expected whole numbers"),
        ("[a", "Expected ']'"),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path, text, words):
    path = tmp_path / "profiles.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=words):
        read_profiles(path)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ('rows = "("\nblocks = 1\nbecause = "b"', "rows = '\\('"),
        ('rows = "a"\nblocks = 1', "expected rows, blocks .0: none. and because"),
        ('rows = "a"\nblocks = -1\nbecause = "b"', "expected rows, blocks .0: none. and because"),
        ('rows = "a"\nblocks = "1"\nbecause = "b"', "expected rows, blocks .0: none. and because"),
    ],
)
def test_a_wrong_rule_is_one_clear_line(tmp_path, rule, words):
    path = tmp_path / "profiles.toml"
    path.write_text(f"{SOUND}[[a.fewer]]\n{rule}\n")
    with pytest.raises(UsageError, match=words):
        read_profiles(path)
