"""Claims: how the file is read, and verdicts on records whose truth is known."""

import json
import tomllib

import pytest

from overlap.base.machine import ROOT
from overlap.commands.claims import main
from overlap.judge.claim_file import Finding, read_claims
from overlap.testing.fake_records import REFERENCE, write_records

SOURCES = '[sources]\nbook = "A book"\n'
CLAIM = """
[[claim]]
name = "{name}"
statement = "It is so."
said_in = ["book"]
expected = "{expected}"
{more}
[[claim.condition]]
words = "the figure says it"
row = "gather/a/{row}"
{condition}
"""
RATIO = f'to = "gather/a/{REFERENCE}"\nmetric = "wall"\n'


@pytest.fixture
def judged(tmp_path, capsys):
    """What the program says of one claim with one condition, by its JSON; with its exit code."""

    def judge(condition, *, row="slow", expected="holds", more="", options=(), **records):
        claims = tmp_path / "claims.toml"
        text = CLAIM.format(name="X", expected=expected, more=more, row=row, condition=condition)
        claims.write_text(SOURCES + text)
        run = write_records(tmp_path / "run.jsonl", {"slow": 2.0, "equal": 1.0}, **records)
        status = main([str(run), "--claims", str(claims), "--format", "json", *options])
        return status, json.loads(capsys.readouterr().out)["claims"][0]

    return judge


def refused(tmp_path, capsys, text):
    path = tmp_path / "claims.toml"
    path.write_text(text)
    run = write_records(tmp_path / "run.jsonl", {"slow": 2.0})
    assert main([str(run), "--claims", str(path)]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line


@pytest.mark.parametrize(
    "condition, verdict",
    [
        (RATIO + "at_least = 1.8", "holds"),
        (RATIO + "at_most = 1.8", "does not hold"),
        (RATIO + "at_most = 2.0", "undecided"),
        (RATIO + "at_least = 2.0", "undecided"),
        (RATIO + "between = [1.8, 2.2]", "holds"),
        (RATIO + "between = [0.9, 1.1]", "does not hold"),
        (RATIO + "between = [1.8, 2]", "undecided"),
    ],
)
def test_ratios_within_blocks(judged, condition, verdict):
    status, claim = judged(condition)
    assert (status, claim["verdict"]) == (0, verdict)
    found = claim["conditions"][0]
    assert found["interval"][0] < 2.0 < found["interval"][1]
    assert found["blocks"] == 30


def test_figures_of_one_row(judged):
    counters = {"concurrency": 9_990.0}
    _, claim = judged('metric = "C"\nat_least = 9_000', counters=counters)
    assert claim["verdict"] == "holds"
    assert claim["conditions"][0]["estimate"] == pytest.approx(9_990.0)


def test_five_blocks_decide_nothing(judged):
    _, claim = judged(RATIO + "at_least = 1.5", blocks=5)
    assert claim["verdict"] == "undecided"
    assert "5 measured, expected at least 6 blocks" in claim["conditions"][0]["reason"]


def test_a_claim_may_be_starved_of_blocks(judged):
    _, claim = judged(RATIO + "at_least = 1.5", more="most_blocks = 5")
    assert claim["verdict"] == "undecided"


def test_counts_need_three(judged):
    memory = {"bytes_per_task": 150.0}
    condition = 'metric = "memory"\nat_most = 200'
    assert judged(condition, blocks=3, counters=memory)[1]["verdict"] == "holds"
    assert judged(condition, blocks=2, counters=memory)[1]["verdict"] == "undecided"
    _, claim = judged('metric = "memory"\nat_most = 100', blocks=3, counters=memory)
    assert claim["verdict"] == "does not hold"


def test_a_row_that_does_not_exist_is_named(judged):
    _, claim = judged(RATIO + "at_least = 1", row="other")
    assert claim["verdict"] == "not measured"
    assert claim["conditions"][0]["reason"] == "no row gather/a/other"


def test_a_row_without_figures_says_why(judged):
    words = {"slow": "not available: no kernel"}
    _, claim = judged(RATIO + "at_least = 1", words=words)
    assert claim["verdict"] == "not measured"
    assert claim["conditions"][0]["reason"] == "gather/a/slow: not available: no kernel"


def test_an_unstable_machine_decides_nothing(judged):
    _, claim = judged(RATIO + "at_least = 1.5", placebo=1.3)
    assert claim["verdict"] == "undecided"
    assert "machine unstable" in claim["conditions"][0]["reason"]


def test_one_condition_that_fails_is_enough(tmp_path, capsys):
    second = '\n[[claim.condition]]\nwords = "no"\nrow = "gather/a/slow"\n' + RATIO + "at_most = 1"
    text = CLAIM.format(
        name="X", expected="holds", more="", row="slow", condition=RATIO + "at_least = 1"
    )
    claims = tmp_path / "claims.toml"
    claims.write_text(SOURCES + text + second)
    run = write_records(tmp_path / "run.jsonl", {"slow": 2.0})
    assert main([str(run), "--claims", str(claims), "--fail-if-unexpected"]) == 1
    shown = capsys.readouterr().out
    assert "X  It is so.  ✗ does not hold" in shown
    assert "X: does not hold, expected: holds." in shown


def test_only_the_claims_that_are_named_are_judged(tmp_path, capsys):
    condition = RATIO + "at_least = 1"
    texts = [
        CLAIM.format(name=name, expected="holds", more="", row="slow", condition=condition)
        for name in ("X", "Y", "Z")
    ]
    claims = tmp_path / "claims.toml"
    claims.write_text(SOURCES + "".join(texts))
    run = write_records(tmp_path / "run.jsonl", {"slow": 2.0})
    assert main([str(run), "--claims", str(claims), "--only", "Z, X", "--format", "json"]) == 0
    assert [each["claim"] for each in json.loads(capsys.readouterr().out)["claims"]] == ["Z", "X"]
    assert main([str(run), "--claims", str(claims), "--only", "W"]) == 2
    assert "no claim 'W'; expected X, Y, Z" in capsys.readouterr().err


def test_what_was_expected_is_no_failure(judged):
    condition = RATIO + "at_most = 1"
    options = ["--fail-if-unexpected"]
    assert judged(condition, expected="does not hold", options=options)[0] == 0
    assert judged(condition, expected="holds", options=options)[0] == 1
    assert judged(condition, expected="holds")[0] == 0


def test_a_control_that_comes_out_wrong_takes_back_the_page(judged):
    condition = RATIO + "at_least = 1.5"
    assert judged(condition, expected="does not hold", more="control = true")[0] == 3
    assert judged(condition, expected="undecided", more="control = true")[0] == 3
    assert judged(condition, expected="holds", more="control = true")[0] == 0


def test_markdown_has_a_row_a_claim_and_a_row_a_condition(tmp_path, capsys):
    claims = tmp_path / "claims.toml"
    text = CLAIM.format(
        name="X",
        expected="holds",
        more='note = "So."',
        row="slow",
        condition=RATIO + "at_least = 1",
    )
    claims.write_text(SOURCES + text)
    run = write_records(tmp_path / "run.jsonl", {"slow": 2.0})
    assert main([str(run), "--claims", str(claims), "--format", "markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "| **X** It is so. So. | ✓ **holds** | | |"
    assert lines[3].startswith(
        f"| the figure says it: `wall of gather/a/slow ÷ {REFERENCE}` | ✓ holds | "
    )
    assert lines[3].endswith(", 30 blocks | ≥ 1.00× |")
    assert lines[-1] == ("1 claims: 1 holds, 0 does not hold, 0 undecided, 0 not measured.")


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("name =", "nmae =", "unknown key 'nmae'"),
        ('said_in = ["book"]', 'said_in = ["film"]', "'film': expected some of book"),
        ('said_in = ["book"]', 'said_in = [["book"]]', "['book']: expected some of book"),
        ('expected = "holds"', 'expected = "holds"\nmost_blocks = -1', "expected one or more"),
        ('expected = "holds"', 'expected = "yes"', "expected one of holds, does not hold"),
        ('metric = "wall"', 'metric = "wal"', "metric = 'wal': expected one of wall"),
        ("at_least = 1", "at_least = 0", "bounds must be above 0"),
        ("at_least = 1", "", "expected one of at_most, at_least and between"),
        ("at_least = 1", "between = [1]", "between = [1]: expected two numbers"),
        ("at_least = 1", "between = [2, 1]", "between = [2, 1]: expected the smaller one first"),
        ("at_least = 1", "at_least = true", "at_least = True is of the wrong kind"),
        ('row = "gather/a/slow"', "", "expected the key row"),
        ("[[claim.condition]]", "[[claim.conditions]]", "unknown key 'conditions'"),
        ("[[claim]]", "[[claim", "claims.toml: "),
    ],
)
def test_a_file_that_cannot_be_followed_is_one_line(tmp_path, capsys, old, new, words):
    text = SOURCES + CLAIM.format(
        name="X", expected="holds", more="", row="slow", condition=RATIO + "at_least = 1"
    )
    assert words in refused(tmp_path, capsys, text.replace(old, new, 1))


def test_two_claims_of_one_name_are_one_line(tmp_path, capsys):
    text = CLAIM.format(
        name="X", expected="holds", more="", row="slow", condition=RATIO + "at_least = 1"
    )
    assert "two claims are called X" in refused(tmp_path, capsys, SOURCES + text + text)


def test_a_file_that_is_not_there_is_one_line(tmp_path, capsys):
    assert main([str(tmp_path / "none.jsonl")]) == 2
    assert "none.jsonl" in capsys.readouterr().err


def test_the_suites_own_claims_are_all_there_with_their_controls():
    claims = read_claims()
    numbers = {claim.name.partition("-")[0] for claim in claims if not claim.control}
    assert numbers == {f"C{number}" for number in range(1, 14)}
    controls = {claim.expected for claim in claims if claim.control}
    assert controls == {Finding.FAILS, Finding.UNDECIDED}
    assert all(claim.said_in for claim in claims if not claim.control)


def test_the_suites_own_claims_are_about_cases_that_exist():
    workloads = tomllib.loads((ROOT / "bench" / "workloads.toml").read_text())
    known = {f"{name}/{case}" for name, cases in workloads.items() for case in cases}
    for claim in read_claims():
        for condition in claim.conditions:
            assert {row.rpartition("/")[0] for row in condition.rows} <= known, claim.name
