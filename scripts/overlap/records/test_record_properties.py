"""Whatever stands in a record file, its sound records are read and the rest is named."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overlap.base.exits import RecordError
from overlap.base.machine import ROOT
from overlap.measure.measurement import plan_of
from overlap.records.checks import fault_of_count, fault_of_sample
from overlap.records.files import read_records
from overlap.testing.record_schema import faults_of_file, validator
from overlap.show.run_page import markdown
from overlap.records.test_records import HEAD, sample

KEPT = sorted((ROOT / "results").glob("*/*.jsonl.gz"))
HEAD_RECORD = {
    "kind": "head",
    "format": 1,
    "row_timeout_s": 60.0,
    "also": {"trace": 1},
    "repeated_share": 0.2,
    "context": {"gather": {"compiler": "g++ 12"}},
    **HEAD,
}
SAMPLES = [
    sample(0, position=1, attempt=0, also=["trace"], started="2026-01-02T03:04:05+00:00"),
    sample(1, counters=None, error="crashed: Segmentation fault"),
    sample(1, attempt=1, contamination={"dirty": True, "steal_share": 0.5}),
    sample(3, repeats_block=1, placebo_of="y"),
]
CONTEXT = {"kind": "context", "workload": "gather", "context": {"flags": "-O3"}}
COUNT = {
    "kind": "count",
    **{name: SAMPLES[0][name] for name in ("row", "workload", "case", "backend")},
    "counters": {"instructions_per_task": 240.5},
}
RECORDS = [HEAD_RECORD, CONTEXT, *SAMPLES, COUNT]
NO_SAMPLES = (0, 1, len(RECORDS) - 1)
FAULT_OF = {"sample": fault_of_sample, "count": fault_of_count}

# Integral numbers are whole numbers only: JSON Schema takes 1.0 for a whole number, too.
fractions = st.floats(allow_nan=False).filter(lambda value: not value.is_integer())
scalars = st.none() | st.booleans() | st.integers() | fractions | st.text(max_size=20)
json_values = st.recursive(
    scalars | st.sampled_from(["gather/é/x", "gather", "é", "x", 0, 1, 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)

# No deadlines: how long an example takes says nothing but how busy the machine is.
leisurely = settings(deadline=None)
thoroughly = settings(deadline=None, max_examples=300)
CHECK = validator()


def lines_of(records):
    return [json.dumps(record).encode() + b"\n" for record in records]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("records") / "run.jsonl"


def read(path, content):
    path.write_bytes(content)
    return read_records(path)


def place_of(record):
    return record.get("row"), record.get("block")


def paths_into(value, prefix=()):
    """Of all that is inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in inside:
        yield (*prefix, key)
        if isinstance(item, (dict, list)):
            yield from paths_into(item, (*prefix, key))


@st.composite
def edited(draw, record):
    """The record with something in it replaced, deleted or added, as a hand would do it."""
    record = copy.deepcopy(record)
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(sorted(paths_into(record), key=repr)))
        place = record
        for key in way:
            place = place[key]
        if draw(st.booleans()):
            place[last] = draw(json_values)
        elif len(place) > 1:
            del place[last]
    return record


@leisurely
@given(content=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(path, content):
    with pytest.raises(RecordError) as refusal:
        read(path, content)
    assert "\n" not in str(refusal.value)


@leisurely
@given(st.data())
def test_any_bytes_between_sound_lines_lose_none_of_them(path, data):
    lines = lines_of(RECORDS)
    garbage = data.draw(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"")))
    at = data.draw(st.integers(0, len(lines)))
    lines.insert(at, garbage + b"\n")
    records = read(path, b"".join(lines))
    assert records.samples == SAMPLES
    assert len(records.problems) == bool(garbage.strip())


@leisurely
@given(st.data())
def test_a_cut_loses_the_last_record_only(path, data):
    content = b"".join(lines_of(RECORDS))
    head_size = len(lines_of(RECORDS)[0])
    cut = data.draw(st.integers(head_size, len(content)))
    records = read(path, content[:cut])
    whole = content[: cut + 1].count(b"\n") if content[cut : cut + 1] == b"\n" else 0
    whole = max(whole, content[:cut].count(b"\n"))
    assert records.samples == SAMPLES[: max(whole - 2, 0)] and not records.problems


@leisurely
@given(st.data())
def test_lines_may_be_doubled_and_none_counts_twice(path, data):
    lines = lines_of(RECORDS)
    doubled = data.draw(st.lists(st.sampled_from(range(len(lines))), max_size=5))
    records = read(path, b"".join(lines + [lines[at] for at in doubled]))
    assert records.samples == SAMPLES
    harmless = doubled.count(1) + doubled.count(len(RECORDS) - 1)  # Said again, nothing changes.
    assert len(records.problems) == len(doubled) - harmless


@thoroughly
@given(st.data())
def test_an_edited_record_spoils_no_other_and_gives_no_traceback(path, data):
    at = data.draw(st.integers(0, len(RECORDS) - 1))
    changed = data.draw(edited(RECORDS[at]))
    lines = lines_of(RECORDS)
    lines[at] = lines_of([changed])[0]
    try:
        records = read(path, b"".join(lines))
    except RecordError as error:
        assert at == 0 and "\n" not in str(error)
        return
    untouched = [record for place, record in enumerate(RECORDS) if place not in (*NO_SAMPLES, at)]
    lost = [record for record in untouched if record not in records.samples]
    if at not in NO_SAMPLES and not any(
        place_of(changed) == place_of(record) for record in untouched
    ):
        assert lost == []
    # One that was moved to another's place: nobody can tell which of the two is right.
    assert at in NO_SAMPLES or len(lost) <= len(records.problems)
    assert all(problem.startswith(f"{path}:") for problem in records.problems)
    assert not any("\n" in problem for problem in records.problems)
    assert markdown(records)
    assert plan_of(records, 4).seconds_left() >= 0


@thoroughly
@given(st.data())
def test_the_schema_and_the_reader_agree_on_samples_and_counts(data):
    record = data.draw(st.sampled_from([*SAMPLES, COUNT]))
    changed = data.draw(edited(record))
    if changed.get("kind") != record["kind"]:
        return
    fault = FAULT_OF[record["kind"]](changed)
    errors = list(CHECK.iter_errors(changed))
    # That a row's name is made of its parts is beyond what the schema can say.
    assert bool(errors) == bool(fault) or (fault.startswith("row: ") and "/" in fault), fault


def test_counts_are_kept_apart_from_samples(path):
    records = read(path, b"".join(lines_of(RECORDS)))
    assert records.counts == [COUNT]
    assert records.only("nothing").counts == []
    stray = read(path, b"".join(lines_of([*RECORDS, COUNT | {"case": "a", "row": "gather/a/x"}])))
    assert (
        stray.counts == [COUNT] and "expected one that the head record lists" in stray.problems[0]
    )


def test_there_is_a_kept_run():
    assert KEPT


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: str(Path(kept).relative_to(ROOT)))
def test_kept_records_follow_the_schema_and_are_read_whole(kept):
    assert faults_of_file(kept) == []
    records = read_records(kept)
    assert records.problems == [] and records.cut_short == ""
    assert not Path(records.head["specification"]["path"]).is_absolute()
