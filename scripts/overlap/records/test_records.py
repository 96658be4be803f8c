import gzip
import json
import os

import pytest

from overlap.base.exits import RecordError
from overlap.records.files import RecordWriter, read_records


def row(name):
    workload, case, backend = name.split("/")
    names = {"row": name, "workload": workload, "case": case, "backend": backend}
    return names | {"tasks": 1, "unit": "task", "expected_s": 0.5, "skip": ""}


HEAD = {
    "profile": "quick",
    "blocks": 3,
    "seed": 1,
    "machine": {"host": "box", "kernel": "Linux 6.1", "cpu": "A CPU", "cores": 2},
    "suite": {"commit": "0123456789", "modified": False},
    "rows": [row("gather/é/x"), row("gather/é/y")],
}


def sample(number, **changes):
    names = {name: row("gather/é/x")[name] for name in ("row", "workload", "case", "backend")}
    counters = {"wall_s": 1.5, "verified": 1}
    whole = {"kind": "sample", **names, "block": number, "duration_s": 2.0, "counters": counters}
    return {name: value for name, value in (whole | changes).items() if value is not None}


@pytest.fixture
def written(tmp_path):
    """A file with a head and three samples."""
    writer = RecordWriter.create(tmp_path / "a" / "run.jsonl", HEAD)
    for number in range(3):
        writer.append(sample(number))
    writer.close()
    return writer.path


def test_what_was_written_is_read(written):
    records = read_records(written)
    assert records.head["profile"] == "quick" and records.cut_short == ""
    assert records.samples == [sample(number) for number in range(3)]
    assert records.whole_bytes == written.stat().st_size


def test_every_cut_loses_the_last_record_only(written):
    content = written.read_bytes()
    ends = [at + 1 for at, byte in enumerate(content) if byte == ord("\n")]
    for cut in range(ends[0], len(content)):
        written.write_bytes(content[:cut])
        records = read_records(written)
        whole = sum(1 for end in ends if end <= cut)
        # A record that lacks only its line end is whole.
        complete = cut + 1 in ends
        assert len(records.samples) == whole - 1 + complete
        assert bool(records.cut_short) == (cut not in ends and not complete)


def test_resuming_drops_what_was_cut_short_and_nothing_else(written):
    with written.open("ab") as file:
        file.write(b'{"kind":"sample","row":"gath')
    records = read_records(written)
    assert "cut short (28 bytes)" in records.cut_short
    writer = RecordWriter.resume(records)
    writer.append(sample(3))
    writer.close()
    again = read_records(written)
    assert again.samples == [sample(number) for number in range(4)] and not again.cut_short


def test_nothing_is_appended_to_a_packed_file(written):
    packed = gzip.compress(written.read_bytes())
    written.write_bytes(packed)
    with pytest.raises(RecordError, match="is packed: gunzip it first"):
        RecordWriter.resume(read_records(written))
    assert written.read_bytes() == packed


def test_resuming_adds_a_line_end_that_is_missing(written):
    written.write_bytes(written.read_bytes()[:-1])
    writer = RecordWriter.resume(read_records(written))
    writer.append(sample(3))
    writer.close()
    assert len(read_records(written).samples) == 4


def test_a_record_is_one_write(written, monkeypatch):
    writes = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: writes.append(data) or write(fd, data))
    writer = RecordWriter.resume(read_records(written))
    writer.append(sample(3))
    writer.close()
    assert len(writes) == 1 and writes[0].endswith(b"\n") and json.loads(writes[0]) == sample(3)


def as_line(record):
    return json.dumps(record).encode() + b"\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"garbage\n", "found no JSON that can be read"),
        (b"[1]\n", "found [1], which is no object, expected a record"),
        (b'{"kind":"other"}\n', 'found a record of kind "other"'),
        (b"[" * 100_000 + b"\n", "found no JSON that can be read"),
        (b'{"kind":"\xff"}\n', "found no JSON that can be read"),
        (as_line(sample(5, row="gather/\ud800/x")), "found no JSON that can be read"),
        (
            as_line(sample(5, backend="y")),
            'row: found "gather/\\u00e9/x", expected "gather/\\u00e9/y"',
        ),
        (as_line(sample(5, row="gather/é/z", backend="z")), "expected one that the head record"),
        (as_line(sample(5, block=None)), "block: found nothing, expected a whole number from 0 on"),
        (as_line(sample(5, block=-1)), "block: found -1"),
        (as_line(sample(5, block=True)), "block: found true"),
        (as_line(sample(5, duration_s="2")), 'duration_s: found "2", expected seconds'),
        (as_line(sample(5, counters=None)), "found neither, expected one of them"),
        (as_line(sample(5, error="limit: 3")), "found both, expected one of them"),
        (as_line(sample(5, counters={"verified": 1})), "counters.wall_s: found nothing"),
        (as_line(sample(5, counters={"verified": True, "wall_s": 1})), "counters.verified: found"),
        (as_line(sample(5, counters={"wall_s": 1})), "no number without a receipt"),
        (as_line(sample(5, counters={"verified": 1, "wall_s": float("nan")})), "wall_s: found NaN"),
        (as_line(sample(5, counters={"verified": 1, "wall_s": 10**400})), "wall_s: found 1000"),
        (as_line(sample(5, contamination={"dirty": 1})), "contamination.dirty: found 1"),
        (as_line(sample(5, repeats_block="2")), "repeats_block: found"),
        (as_line({"kind": "context", "workload": "gather"}), "context: found nothing"),
    ],
)
def test_damage_is_named_and_the_rest_is_kept(written, line, words):
    lines = written.read_bytes().splitlines(keepends=True)
    written.write_bytes(b"".join([*lines[:2], line, *lines[2:]]))
    records = read_records(written)
    (problem,) = records.problems
    assert problem.startswith(f"{written}:3: ") and words in problem and "restore" in problem
    assert "\n" not in problem
    assert records.samples == [sample(number) for number in range(3)]


def test_a_sample_that_is_there_twice_counts_once(written):
    lines = written.read_bytes().splitlines(keepends=True)
    other = as_line(sample(1, duration_s=9.0))
    later = as_line(sample(2, attempt=1))
    written.write_bytes(b"".join([*lines, lines[1], other, later]))
    records = read_records(written)
    assert records.samples == [sample(number) for number in range(3)]
    found = [problem.removeprefix(f"{written}:") for problem in records.problems]
    assert [problem.split(",")[0] for problem in found] == [
        '5: found the same record as line 2 ("gather/\\u00e9/x"',
        '6: found another sample of the place that line 3 ("gather/\\u00e9/x"',
        '7: found another sample of the place that line 4 ("gather/\\u00e9/x"',
    ]


def test_a_second_try_is_no_duplicate(written):
    writer = RecordWriter.resume(read_records(written))
    writer.append(sample(3, counters=None, error="crashed"))
    writer.append(sample(3, attempt=1))
    writer.close()
    records = read_records(written)
    assert len(records.samples) == 5 and not records.problems


def test_null_is_not_measured(written):
    written.write_bytes(
        written.read_bytes()
        + as_line(sample(3, counters={"wall_s": 1, "verified": 1, "concurrency": None}))
    )
    assert read_records(written).samples[3]["counters"] == {"wall_s": 1, "verified": 1}


def test_files_without_a_head_are_refused(tmp_path, written):
    for content in (b"", b'{"kind":"he', written.read_bytes().split(b"\n", 1)[1]):
        path = tmp_path / "headless.jsonl"
        path.write_bytes(content)
        with pytest.raises(RecordError, match="headless.jsonl:1: no head record"):
            read_records(path)
    with pytest.raises(RecordError, match="No such file"):
        read_records(tmp_path / "absent.jsonl")
    with pytest.raises(RecordError, match="Is a directory"):
        read_records(tmp_path)


def test_what_stands_before_the_head_is_named(written):
    written.write_bytes(as_line(sample(7)) + b"\n" + written.read_bytes())
    records = read_records(written)
    assert len(records.samples) == 3
    assert records.problems == [
        f"{written}:1: found before the head record: left out; move it below"
    ]


def test_two_runs_in_one_file_are_kept_apart(written):
    content = written.read_bytes()
    written.write_bytes(content + content)
    twice = read_records(written)
    assert len(twice.samples) == 3 and not twice.holds_another_run
    assert "found the head record again" in twice.problems[0] and len(twice.problems) == 4
    written.write_bytes(content + content.replace(b'"seed":1', b'"seed":2'))
    records = read_records(written)
    assert records.holds_another_run and len(records.samples) == 3
    (problem,) = records.problems
    assert problem.startswith(f"{written}:5: found a second head record")
    assert "`tail -n +5`" in problem


def test_other_formats_are_refused(written):
    written.write_bytes(written.read_bytes().replace(b'"format":1', b'"format":99'))
    with pytest.raises(RecordError, match=":1: found format 99, expected 1; read it with"):
        read_records(written)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"profile": None}, "profile: found null, expected a name"),
        ({"blocks": "3"}, 'blocks: found "3"'),
        ({"machine": {"host": "box"}}, "machine.kernel: found nothing"),
        ({"suite": []}, "suite: found []"),
        ({"also": {"trace": "all"}}, "also: found"),
        ({"context": {"gather": 1}}, "context: found"),
        ({"filter": "("}, 'filter: found "("'),
        ({"rows": [*HEAD["rows"], {"row": "x"}]}, "rows[2].workload: found nothing"),
        ({"rows": [*HEAD["rows"], 7]}, "rows[2].found 7, expected an object"),
        ({"rows": HEAD["rows"] * 2}, 'rows[2].row: found "gather/\\u00e9/x" a second time'),
    ],
)
def test_a_head_is_mended_where_it_is_not_sound(written, changes, fault):
    _, rest = written.read_bytes().split(b"\n", 1)
    written.write_bytes(as_line({"kind": "head", "format": 1, **HEAD, **changes}) + rest)
    records = read_records(written)
    assert len(records.samples) == 3
    assert records.problems[0].startswith(f"{written}:1: head record: {fault}")


def test_a_head_without_rows_is_refused(written):
    written.write_bytes(b'{"kind":"head","format":1}\n')
    with pytest.raises(RecordError, match="rows: found null, expected a list"):
        read_records(written)


def test_a_file_is_never_overwritten(written):
    with pytest.raises(RecordError, match="--resume"):
        RecordWriter.create(written, HEAD)


def test_two_writers_never_share_a_file(written):
    first = RecordWriter.resume(read_records(written))
    with pytest.raises(RecordError, match="another run"):
        RecordWriter.resume(read_records(written))
    first.close()


def test_a_number_that_json_lacks_is_not_written(written):
    writer = RecordWriter.resume(read_records(written))
    with pytest.raises(ValueError):
        writer.append({"kind": "sample", "counters": {"wall_s": float("nan")}})
    writer.close()
    assert len(read_records(written).samples) == 3


def test_contexts_belong_to_the_head(written):
    writer = RecordWriter.resume(read_records(written))
    writer.append({"kind": "context", "workload": "gather", "context": {"compiler": "g++ 12"}})
    writer.close()
    records = read_records(written)
    assert records.context["compiler"] == "g++ 12" and len(records.samples) == 3


def test_nothing_that_is_read_moves_a_cursor_or_turns_text_round(written):
    hostile = "\x1b[2J\u202e\x07 two\nlines"
    head, *samples = written.read_text().splitlines()
    changed = json.loads(head) | {"suite": {"commit": hostile}, "specification": {"text": "a\nb"}}
    wrong = {"kind": "sample", **sample(7, counters=None, error=hostile)}
    written.write_text("\n".join([json.dumps(changed), *samples, json.dumps(wrong)]) + "\n")
    records = read_records(written)
    told = "\\x1b[2J\\u202e\\x07 two lines"
    assert records.head["suite"]["commit"] == told and records.samples[-1]["error"] == told
    assert records.head["specification"]["text"] == "a\nb"
