"""scripts/compare on record files whose truth is known."""

import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from overlap.commands.compare import main
from overlap.judge.metrics import METRICS
from overlap.testing.fake_records import REFERENCE, edit, write_records

TRUTH = {"floor": 0.5, "fiber:uring": 1.0, "fiber:epoll": 1.1, "coroutine:epoll": 1.02, "pool": 3.0}


@pytest.fixture
def run(tmp_path):
    return write_records(tmp_path / "run.jsonl", TRUTH)


def said(capsys, *arguments, status=0):
    assert main([str(argument) for argument in arguments]) == status
    return capsys.readouterr().out


def refused(capsys, *arguments):
    """The one line that says why there is nothing to print."""
    try:
        assert main([str(argument) for argument in arguments]) == 2
    except SystemExit as error:
        assert error.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()[-1]


def cells(capsys, *arguments):
    """What the JSON says of each backend of the first case."""
    content = json.loads(said(capsys, *arguments, "--format", "json"))
    found = content["cases"][0]["cells"]
    # Of several files the cells that were judged.
    return {cell["backend"]: cell for cell in sorted(found, key=lambda c: c["verdict"] is not None)}


# One file.


def test_verdicts_ratios_and_intervals_meet_the_truth(capsys, run):
    found = cells(capsys, run)
    verdicts = {name: cell["verdict"] for name, cell in found.items()}
    assert verdicts == {
        REFERENCE: None,
        "floor": "faster",
        "fiber:uring": "same",
        "fiber:epoll": "slower",
        "coroutine:epoll": "differs, less than matters",
        "pool": "slower",
    }
    for backend, truth in TRUTH.items():
        # One interval in twenty may miss the truth, but none by half a per cent.
        assert found[backend]["low_95"] <= 1.005 * truth
        assert found[backend]["high_95"] >= truth / 1.005
        assert found[backend]["blocks"] == 30 and found[backend]["how"] == "paired within blocks"
    tiers = {name: cell["tier"] for name, cell in found.items()}
    assert tiers == {
        "floor": 1,
        REFERENCE: 2,
        "fiber:uring": 2,
        "coroutine:epoll": 2,
        "fiber:epoll": 3,
        "pool": 4,
    }


def test_the_table_says_it_in_words_with_the_noise_floor_above(capsys, run):
    text = said(capsys, run)
    assert re.search(r"noise floor [0-9.]+%; smallest visible difference [0-9.]+%", text)
    assert re.search(r"^gather/a against coroutine:uring · noise floor", text, re.M)
    assert re.search(r"^pool .* 3\.0\d +\[[23]\.\d\d, 3\.\d\d\]  ▲ slower +4$", text, re.M)
    assert re.search(r"^coroutine:uring .* baseline +2$", text, re.M)
    assert "no verdict depends on" in text and "placebo " not in text
    assert said(capsys, run) == text


def test_any_backend_may_be_the_baseline(capsys, run):
    found = cells(capsys, run, "--baseline", "pool")
    assert found["floor"]["ratio"] == pytest.approx(1 / 6, rel=0.05)
    assert found["pool"]["verdict"] is None
    assert cells(capsys, run, "--baseline", "backend=pool") == found


def test_loops_are_compared_within_each_runtime(capsys, run):
    found = cells(capsys, run, "--baseline", "loop=uring")
    assert found["fiber:epoll"]["baseline"] == "fiber:uring"
    assert found["coroutine:epoll"]["baseline"] == REFERENCE
    assert found["pool"]["words"] == "has no loop" and found["pool"]["ratio"] is None
    text = said(capsys, run, "--baseline", "uring", "--row", "runtime", "--column", "loop")
    assert re.search(r"^fiber +[\d.]+ .s +▲ 1\.[01]\d+$", text, re.M)


def test_other_metrics_have_their_own_words(capsys, tmp_path):
    path = write_records(tmp_path / "run.jsonl", TRUTH, counters={"bytes_per_task": 100.0})
    assert cells(capsys, path, "--metric", "memory")["pool"]["verdict"] == "same"
    found = cells(capsys, path, "--metric", "P")["pool"]
    assert (found["ratio"], found["low_95"], found["verdict"]) == (1.0, 1.0, "same")
    assert cells(capsys, path, "--metric", "cpu")["floor"]["verdict"] == "faster"

    def eased(record):
        if record.get("backend") == "pool" and "counters" in record:
            record["counters"] |= {"bytes_per_task": 50.0, "parallelism": 2.0}
        return [record]

    edit(path, eased)
    assert cells(capsys, path, "--metric", "memory")["pool"]["verdict"] == "less"
    assert cells(capsys, path, "--metric", "P")["pool"]["verdict"] == "higher"
    assert "switches" in refused(capsys, path, "--metric", "switches")


def test_counts_may_be_zero(capsys, tmp_path):
    path = write_records(tmp_path / "run.jsonl", TRUTH)

    def counted(record):
        if "counters" in record:
            switches = {"pool": 4.0, REFERENCE: 0.0}.get(record["backend"], 0.0)
            record["counters"] |= {"voluntary_switches": switches, "involuntary_switches": 0.0}
        return [record]

    edit(path, counted)
    found = cells(capsys, path, "--metric", "switches")
    assert found["floor"]["verdict"] == "same" and found["floor"]["ratio"] == 1.0
    assert found["pool"]["verdict"] == "more" and found["pool"]["ratio"] is None
    assert re.search(r"^pool .*∞ .*▲ more", said(capsys, path, "--metric", "switches"), re.M)


def test_the_filter_chooses_rows_and_keeps_baseline_and_placebo(capsys, run):
    content = json.loads(said(capsys, run, "--filter", "pool", "--format", "json"))
    (case,) = content["cases"]
    (cell,) = case["cells"]
    assert (cell["backend"], cell["verdict"]) == ("pool", "slower") and case["noise_floor"] > 0


def test_too_few_blocks_give_numbers_and_no_verdicts(capsys, tmp_path):
    path = write_records(tmp_path / "run.jsonl", TRUTH, blocks=3)
    text = said(capsys, path)
    assert "3 blocks decide nothing: at least 8 are needed here" in text
    assert "slower (" not in text and re.search(r"^pool .* 2\.9\d|3\.0\d ", text, re.M)
    assert re.search(r"\? unknown \(\+5 blocks\)", text) and "tier" not in text


def test_rows_with_fewer_blocks_stay_out_of_the_tiers(capsys, run):
    edit(run, lambda r: [] if r.get("backend") == "pool" and r.get("block", 0) > 2 else [r])
    found = cells(capsys, run)
    assert (found["pool"]["tier"], found["pool"]["verdict"]) == (None, "unknown")
    assert found["floor"]["tier"] == 1 and found["fiber:epoll"]["tier"] == 3


def test_without_a_placebo_the_noise_floor_is_unknown(capsys, tmp_path):
    path = write_records(tmp_path / "run.jsonl", TRUTH, placebo=None)
    text = said(capsys, path)
    assert "no placebo: noise floor unknown; differences matter from 5% on" in text
    assert "against floor" in text and cells(capsys, path)["pool"]["verdict"] == "slower"


def test_a_machine_that_tells_equal_things_apart_says_nothing(capsys, tmp_path):
    path = write_records(tmp_path / "run.jsonl", TRUTH, placebo=1.2)
    found = cells(capsys, path)
    assert found["pool"]["verdict"] == "machine unstable" and found["pool"]["tier"] is None
    assert "machine unstable" in said(capsys, path, "--fail-if", "slower:5%", status=3)


def test_rows_without_numbers_say_why(capsys, tmp_path):
    words = {"pool": "limit: 20,000 descriptors"}
    path = write_records(tmp_path / "run.jsonl", TRUTH, words=words)
    assert re.search(r"^pool .*limit: 20,000 descriptors$", said(capsys, path), re.M)
    assert said(capsys, path, "--fail-if", "slower:50%")


# Contamination.


def test_a_verdict_that_hangs_on_contaminated_samples_is_marked(capsys, tmp_path):
    dirty = {"fiber:uring": {block: 1.5 for block in range(10, 30)}}
    path = write_records(tmp_path / "run.jsonl", TRUTH, dirty=dirty)
    found = cells(capsys, path)
    assert found["fiber:uring"]["verdict"] == "slower"
    assert found["fiber:uring"]["depends_on_contaminated"] is True
    assert found["pool"]["depends_on_contaminated"] is False
    text = said(capsys, path)
    assert "1 verdict depends on them (†)" in text and "▲ slower †" in text


def test_a_disturbed_block_counts_by_its_repetition(capsys, tmp_path):
    dirty = {"fiber:uring": {block: 1.5 for block in range(10)}}
    path = write_records(tmp_path / "run.jsonl", TRUTH, blocks=12, dirty=dirty)
    assert cells(capsys, path)["fiber:uring"]["verdict"] == "slower"

    def repeated(record):
        records = [record]
        if record["kind"] == "sample" and record["block"] < 10:
            again = json.loads(json.dumps(record))
            again |= {"block": record["block"] + 12, "repeats_block": record["block"]}
            again["contamination"]["dirty"] = False
            if record["backend"] == "fiber:uring":
                again["counters"]["wall_s"] /= 1.5
            records.append(again)
        return records

    edit(path, repeated)
    found = cells(capsys, path)["fiber:uring"]
    assert (found["verdict"], found["blocks"]) == ("same", 12)
    assert found["depends_on_contaminated"] is True  # With every sample it would not be the same.


# Damage.


def test_damaged_samples_are_counted_and_the_others_kept(capsys, run):
    def damaged(record):
        if record["kind"] != "sample" or record["backend"] != "pool":
            return [record]
        match record["block"]:
            case 3:
                return [record, record]
            case 4:
                record["counters"]["verified"] = 0
            case 5:
                record["block"] = "five"
            case 6:
                record["row"] = "gather/a/floor"
            case 7:
                record["counters"] = [1]
            case 8:
                record["counters"]["wall_s"] = "fast"
        return [record]

    edit(run, damaged)
    assert main([str(run)]) == 0
    captured = capsys.readouterr()
    assert f"{run}: 6 of its lines are not sound" in captured.out
    lines = captured.err.splitlines()
    assert len(lines) == 6 and all(f"scripts/compare: {run}:" in line for line in lines)
    for words in ("expected one: the first counts", "expected 1: no number without a receipt"):
        assert any(words in line for line in lines)
    assert cells(capsys, run)["pool"]["blocks"] == 25


def test_a_record_that_was_cut_short_is_named(capsys, run):
    run.write_bytes(run.read_bytes()[:-40])
    assert "its last record was cut short" in said(capsys, run)


def bare(head):
    return {name: head[name] for name in ("kind", "format", "rows")}


def test_heads_that_lack_things_are_enough(capsys, run):
    edit(run, lambda r: [bare(r)] if r["kind"] == "head" else [r])
    assert "unknown host: CPU unknown" in said(capsys, run)
    assert cells(capsys, run)["pool"]["verdict"] == "slower"


# Asked wrongly.


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name at least one record file"),
        (
            ["{run}", "--baseline", "nonsense"],
            "'nonsense': not found; backends here: coroutine:uring",
        ),
        (["{run}", "--baseline", "colour=red"], "colour is none of backend, runtime, loop"),
        (["{run}", "--reference", "nonsense"], "backends here: coroutine:uring"),
        (["{run}", "--filter", "["], "no regular expression"),
        (["{run}", "--filter", "nonsense"], "matches no row"),
        (["{run}", "--fail-if", "bad"], "expected faster or slower"),
        (["{run}", "--fail-if", "slower:5"], "such as 'slower:5%'"),
        (["{run}", "--metric", "memory", "--fail-if", "slower:5%"], "expected less or more"),
        (["{run}", "--row", "case", "--column", "case"], "both case"),
        (["{run}", "--column", "commit"], "only one commit, aaaaaaaaaa"),
        (["{run}", "--metric", "beauty"], "--metric 'beauty': expected one of wall"),
        (["{tmp}/missing.jsonl"], "missing.jsonl: No such file"),
        (["{tmp}"], "Is a directory"),
        (["{run}", "{run}", "--format", "gbench"], "writes one record file"),
    ],
)
def test_each_mistake_has_its_line(capsys, tmp_path, run, arguments, words):
    filled = [argument.format(run=run, tmp=tmp_path) for argument in arguments]
    assert words in refused(capsys, *filled)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"a": 1}', "not json", '{"benchmarks": 3}'])
def test_files_of_another_kind_are_refused(capsys, tmp_path, content):
    path = tmp_path / "other.json"
    path.write_text(content)
    assert "other.json" in refused(capsys, path)


# Many comparisons.


def test_the_false_alarms_of_a_table_stay_within_the_stated_rate(capsys, tmp_path):
    equal = {f"backend_{i}": 1.0 for i in range(12)}
    cases = [f"gather/{i}" for i in range(100)]
    path = write_records(tmp_path / "run.jsonl", equal, cases=cases, blocks=12, spread=0.05)
    content = json.loads(said(capsys, path, "--format", "json"))
    wrong = [
        any(cell["verdict"] in ("faster", "slower") for cell in case["cells"])
        for case in content["cases"]
    ]
    assert np.mean(wrong) <= 0.05


def test_two_runs_of_one_build_stay_within_the_stated_rate(capsys, tmp_path):
    equal = {f"backend_{i}": 1.0 for i in range(12)}
    cases = [f"gather/{i}" for i in range(60)]
    before, after = (
        write_records(tmp_path / f"{i}.jsonl", equal, cases=cases, blocks=12, spread=0.05, seed=i)
        for i in (1, 2)
    )
    content = json.loads(said(capsys, before, after, "--format", "json"))
    wrong = [
        any(cell["verdict"] in ("faster", "slower") for cell in case["cells"])
        for case in content["cases"]
    ]
    assert len(wrong) == 60 and np.mean(wrong) <= 0.05


@settings(max_examples=30, deadline=None)
@given(
    blocks=some.integers(1, 14),
    truth=some.dictionaries(
        some.sampled_from(["floor", "pool", "fiber:uring", "fiber:epoll"]), some.floats(0.01, 100)
    ),
    placebo=some.none() | some.floats(0.5, 2),
    metric=some.sampled_from(sorted(METRICS)),
    disturbed=some.dictionaries(some.integers(0, 13), some.floats(0.5, 2)),
    lost=some.sets(some.integers(0, 60)),
)
def test_whatever_was_measured_is_compared_or_refused(
    tmp_path_factory, blocks, truth, placebo, metric, disturbed, lost
):
    path = write_records(
        tmp_path_factory.mktemp("any") / "run.jsonl",
        truth,
        blocks=blocks,
        placebo=placebo,
        dirty={"pool": disturbed},
        counters={"lateness_p99_s": 1e-3, "voluntary_switches": 0, "involuntary_switches": 0},
    )
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for i, line in enumerate(lines) if i - 1 not in lost))
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(io.StringIO()):
        status = main([str(path), "--metric", metric, "--format", "json"])
    assert status in (0, 2) and (status == 2) == (printed.getvalue() == "")
    for case in json.loads(printed.getvalue())["cases"] if status == 0 else []:
        for cell in case["cells"]:
            assert (cell["verdict"] is None) == (cell["ratio"] is None and cell["blocks"] is None)
            if cell["low_95"] is not None and cell["ratio"] is not None:
                assert cell["low_95"] <= cell["ratio"] <= cell["high_95"]


@pytest.mark.parametrize("style", ["terminal", "markdown", "tables", "csv", "json", "gbench"])
@pytest.mark.parametrize("wall_s", [1e300, 5e-324])
def test_numbers_at_the_ends_of_floating_point_pass_every_export(capsys, run, style, wall_s):
    def stretch(record):
        if record["kind"] == "sample" and record["block"] % 2:
            record["counters"]["wall_s"] = wall_s
        return [record]

    printed = said(capsys, edit(run, stretch), "--format", style)
    if style in ("json", "gbench"):
        json.loads(printed, parse_constant=pytest.fail)
