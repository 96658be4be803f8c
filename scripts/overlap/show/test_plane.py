import pytest

from overlap.commands.report import main
from overlap.testing.fake_records import REFERENCE, write_records
from overlap.records.files import read_records
from overlap.show.plane import MOST_CASES, SHAPES, draw, points

TRUTH = {"floor": 0.5, "thread_pool": 3.0, "fiber:epoll": 1.1, "tokio": 1.2}
TRACED = {"concurrency": 500.0}


@pytest.fixture
def run(tmp_path):
    return write_records(tmp_path / "run.jsonl", TRUTH, blocks=3, counters=TRACED)


def test_each_backend_with_a_concurrency_is_a_point(run, tmp_path):
    found = points(read_records(run))
    assert {point.runtime for point in found} == {
        "coroutine",
        "floor",
        "thread_pool",
        "fiber",
        "tokio",
    }
    assert len(found) == 1 + len(TRUTH)  # Without the placebo.
    assert {(point.concurrency, point.parallelism) for point in found} == {(500.0, 1.0)}
    untraced = write_records(tmp_path / "untraced.jsonl", TRUTH)
    assert points(read_records(untraced)) == []


def test_the_same_records_draw_the_same_bytes(run, tmp_path):
    first = draw(read_records(run), tmp_path / "plane")
    again = draw(read_records(run), tmp_path / "again")
    names = ["plane.svg", "plane.png", "plane-dark.svg", "plane-dark.png"]
    assert [path.name for path in first] == names
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes() and one.stat().st_size > 5000
    light, dark = first[0].read_text(), first[2].read_text()
    assert "#ffffff" in light and "#0d1117" in dark and "#ffffff" not in dark


def test_another_value_draws_another_picture(run, tmp_path):
    other = write_records(tmp_path / "other.jsonl", TRUTH, blocks=3, counters={"concurrency": 2.0})
    one, two = (draw(read_records(path), path.with_suffix("")) for path in (run, other))
    assert one[0].read_bytes() != two[0].read_bytes()


def test_shapes_and_sizes_tell_runtimes_apart():
    shapes, sizes = zip(*SHAPES.values())
    assert len(set(shapes)) == len(set(sizes)) == len(SHAPES)


def test_what_cannot_be_drawn_is_refused(run, tmp_path, capsys):
    untraced = write_records(tmp_path / "untraced.jsonl", TRUTH)
    assert main(["--plane", str(tmp_path / "p"), str(untraced)]) == 2
    assert "0 cases with a concurrency, expected 1 to 6" in capsys.readouterr().err
    cases = [f"gather/{i}" for i in range(MOST_CASES + 1)]
    many = write_records(tmp_path / "many.jsonl", {}, cases=cases, blocks=1, counters=TRACED)
    assert main(["--plane", str(tmp_path / "p"), str(many)]) == 2
    assert "choose with --filter" in capsys.readouterr().err
    chosen = ["--filter", f"gather/[0-5]/{REFERENCE}"]
    assert main(["--plane", str(tmp_path / "p"), str(many), *chosen]) == 0
    assert main(["--plane", str(tmp_path / "missing" / "p"), str(run)]) == 2
    assert "missing/p.svg: No such file or directory" in capsys.readouterr().err
