import json
import os

import pytest

from overlap.records import RecordError, RecordWriter, read_records

HEAD = {"profile": "quick", "rows": []}


def sample(number):
    return {
        "kind": "sample",
        "row": f"gather/é/{number}",
        "block": number,
        "counters": {"wall_s": 1},
    }


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


@pytest.mark.parametrize(
    ("line", "words"),
    [(b"garbage\n", "line 3"), (b"[1]\n", "not a record"), (b'{"kind":"other"}\n', "line 3")],
)
def test_damage_in_the_middle_is_named(written, line, words):
    lines = written.read_bytes().splitlines(keepends=True)
    written.write_bytes(b"".join([*lines[:2], line, *lines[2:]]))
    with pytest.raises(RecordError, match=words):
        read_records(written)


def test_files_without_a_head_are_refused(tmp_path, written):
    for content in (b"", b'{"kind":"he', written.read_bytes().split(b"\n", 1)[1]):
        path = tmp_path / "headless.jsonl"
        path.write_bytes(content)
        with pytest.raises(RecordError, match="no head record"):
            read_records(path)
    with pytest.raises(RecordError, match="No such file"):
        read_records(tmp_path / "absent.jsonl")


def test_two_heads_and_other_formats_are_refused(written):
    content = written.read_bytes()
    written.write_bytes(content + content.split(b"\n")[0] + b"\n")
    with pytest.raises(RecordError, match="second head"):
        read_records(written)
    written.write_bytes(content.replace(b'"format":1', b'"format":99'))
    with pytest.raises(RecordError, match="format 99"):
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
