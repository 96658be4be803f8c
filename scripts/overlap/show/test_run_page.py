import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from overlap.judge.metrics import METRICS
from overlap.judge.series import from_records
from overlap.records.files import Records
from overlap.show.grid import terminal
from overlap.show.heads import contaminated_share, harness_share
from overlap.show.overview import overview
from overlap.show.run_page import build_tables, markdown, print_terminal


def row(name, unit="task", skip=""):
    workload, case, backend = name.split("/")
    return {
        "row": name,
        "workload": workload,
        "case": case,
        "backend": backend,
        "tasks": 1000,
        "unit": unit,
        "expected_s": 1.0,
        "skip": skip,
    }


def sample(name, block, error="", dirty=False, **counters):
    result = {"error": error} if error else {"counters": {"verified": 1, **counters}}
    return {
        "kind": "sample",
        "row": name,
        "block": block,
        "contamination": {"dirty": dirty},
        **result,
    }


def records_of(rows, samples):
    head = {
        "profile": "quick",
        "blocks": 3,
        "machine": {"host": "box", "cpu": "A CPU", "cores": 2, "kernel": "Linux 6.1"},
        "suite": {"commit": "0123456789abcdef", "modified": True},
        "context": {"gather": {"compiler": "g++ 12.2.0"}},
        "rows": rows,
    }
    return Records(Path("run.jsonl"), head, samples)


@pytest.fixture
def canned():
    rows = [
        row("sleeps/20_50ms/floor"),
        row("sleeps/20_50ms/coroutine:uring"),
        row("sleeps/20_50ms/process_per_task", skip="limit: 4 processes"),
        row("echo/100x64/floor:uring", unit="message"),
        row("echo/100x64/floor:epoll", unit="message"),
        row("echo/100x64/fiber:epoll", unit="message"),
    ]
    samples = []
    for block, wall in enumerate((0.0510, 0.0530, 0.0520)):
        samples += [
            sample("sleeps/20_50ms/floor", block, wall_s=wall / 2, harness_share=0.0001),
            sample(
                "sleeps/20_50ms/coroutine:uring",
                block,
                dirty=block == 0,
                wall_s=wall,
                parallelism=0.02,
                cpu_per_task_s=1.5e-6,
                lateness_p50_s=60e-6,
                lateness_max_s=120e-6,
                harness_share=0.0002,
                **({"concurrency": 19.9, "bytes_per_task": 136.0} if block == 0 else {}),
            ),
            sample("echo/100x64/floor:uring", block, wall_s=1.0, cpu_per_task_s=4e-6),
            sample("echo/100x64/floor:epoll", block, wall_s=1.1, cpu_per_task_s=5e-6),
            sample("echo/100x64/fiber:epoll", block, wall_s=2.2, cpu_per_task_s=6e-6),
        ]
    return records_of(rows, samples)


def cells_of(records, name):
    """The cells of one row by their headers; its words under `words`."""
    workload, case, backend = name.split("/")
    table = next(table for table in build_tables(records) if table.title == workload)
    line = next(line for line in table.lines if (line.group, line.name) == (case, backend))
    headers = [column.header for column in table.columns[1:]]
    return {"words": line.words, **dict(zip(headers, line.cells[1:], strict=False))}


def test_cells_are_medians_over_blocks(canned):
    assert cells_of(canned, "sleeps/20_50ms/coroutine:uring") == {
        "words": "",
        "wall": "52.0 ms",
        "min–max": "51.0–53.0 ms",
        "C": "19.9",
        "P": "0.020",
        "CPU/task": "1.50 µs",
        "memory/task": "136 B",
        "lateness p50 / p99 / max": "60.0 / – / 120 µs",
        "wall ÷ floor": "2.00",
        "verified": "✓",
    }


def test_what_was_not_measured_is_a_dash_and_not_a_blank(canned):
    cells = cells_of(canned, "sleeps/20_50ms/floor")
    assert cells["C"] == "–" and cells["memory/task"] == "–"
    assert all(cells[header] for header in cells if header != "words")


def test_echo_is_compared_with_the_first_floor_that_ran(canned):
    cells = cells_of(canned, "echo/100x64/fiber:epoll")
    assert cells["wall ÷ floor"] == "2.20" and cells["CPU ÷ floor"] == "1.50"
    assert any("`floor:uring`" in note for note in build_tables(canned)[1].notes)

    without = [s for s in canned.samples if s["row"] != "echo/100x64/floor:uring"]
    canned.samples = [
        *without,
        sample("echo/100x64/floor:uring", 0, error="not available: seccomp"),
    ]
    assert cells_of(canned, "echo/100x64/fiber:epoll")["CPU ÷ floor"] == "1.20"
    assert any("`floor:epoll`" in note for note in build_tables(canned)[1].notes)


def test_only_samples_of_one_block_are_compared():
    rows = [row("gather/a/floor"), row("gather/a/x")]
    samples = [sample("gather/a/floor", block, wall_s=10.0**block) for block in range(3)]
    samples += [sample("gather/a/x", block, wall_s=3 * 10.0**block) for block in (1, 2)]
    assert cells_of(records_of(rows, samples), "gather/a/x")["wall ÷ floor"] == "3.00"


def test_without_a_floor_there_is_no_ratio():
    records = records_of([row("gather/a/x")], [sample("gather/a/x", 0, wall_s=1.0)])
    assert cells_of(records, "gather/a/x")["wall ÷ floor"] == "–"
    assert build_tables(records)[0].notes == ["no floor was measured for a: no ratio to it"]


def test_what_could_not_run_says_why():
    names = ["gather/a/skipped", "gather/a/failed", "gather/a/later"]
    rows = [row(names[0], skip="would take 500 s"), row(names[1]), row(names[2])]
    records = records_of(rows, [sample(names[1], 0, error="limit: 20,000 descriptors")])
    words = [cells_of(records, name)["words"] for name in names]
    assert words == ["would take 500 s", "limit: 20,000 descriptors", "not measured yet"]


def test_an_accident_that_went_well_at_the_second_try_shows_numbers():
    samples = [sample("gather/a/x", 0, error="crashed"), sample("gather/a/x", 0, wall_s=1.0)]
    cells = cells_of(records_of([row("gather/a/x")], samples), "gather/a/x")
    assert cells["wall"] == "1.00 s" and cells["verified"] == "✓"


def test_a_row_given_up_later_keeps_its_numbers_and_says_so():
    samples = [sample("gather/a/x", block, wall_s=1.0) for block in range(2)]
    samples.append(sample("gather/a/x", 2, error="timeout: no answer within 60 s"))
    records = records_of([row("gather/a/x")], samples)
    assert cells_of(records, "gather/a/x")["verified"] == "✓ 2/3"
    note = "gather/a/x: 2 of 3 blocks measured, then given up: timeout: no answer within 60 s"
    assert note in build_tables(records)[0].notes


def test_one_wrong_result_takes_back_the_others():
    samples = [sample("gather/a/x", 0, wall_s=1.0), sample("gather/a/x", 1, error="wrong: 7")]
    cells = cells_of(records_of([row("gather/a/x")], samples), "gather/a/x")
    assert cells == {"words": "wrong: 7"}


def test_a_wrong_floor_is_no_floor():
    rows = [row("gather/a/floor"), row("gather/a/x")]
    samples = [
        sample("gather/a/floor", 0, wall_s=1.0),
        sample("gather/a/x", 0, wall_s=2.0),
        sample("gather/a/floor", 1, error="wrong: 7"),
    ]
    assert cells_of(records_of(rows, samples), "gather/a/x")["wall ÷ floor"] == "–"


def test_shares_of_the_whole_run(canned):
    assert harness_share(canned) == 0.0002
    assert contaminated_share(canned) == pytest.approx(1 / 15)
    assert harness_share(records_of([], [])) is None and contaminated_share(records_of([], [])) == 0


def printed(records, width=None):
    """What a terminal of that width shows; without a width, what a pipe gets."""
    stream = io.StringIO()
    terminal = {"force_terminal": True, "width": width, "no_color": True} if width else {}
    print_terminal(records, Console(file=stream, highlight=False, **terminal))
    return re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())


def test_the_head_line_tells_the_conditions(canned):
    line = printed(canned).splitlines()[0]
    assert line == (
        "box: A CPU, 2 cores · Linux 6.1 · g++ 12.2.0 · commit 0123456789 with local changes"
        " · 3 blocks (quick) · 7% of 15 samples contaminated"
    )


def test_a_terminal_shows_aligned_tables(canned):
    text = printed(canned, 140)
    lines = text.splitlines()
    header = next(line for line in lines if line.startswith("sleeps"))
    values = next(line for line in lines if "coroutine:uring" in line)
    assert header.index("wall") + len("wall") == values.index("52.0 ms") + len("52.0 ms")
    assert "process_per_task  limit: 4 processes" in text
    assert "harness: at most 0.02% of any row's wall time." in text
    assert "left out" not in text


@pytest.mark.parametrize("width", [80, 100])
def test_a_narrow_terminal_leaves_out_columns_and_names_them(canned, width):
    text = printed(canned, width)
    assert max(map(len, text.splitlines())) <= width
    assert f"left out of {width} columns: min–max" in text
    assert "52.0 ms" in text and "verified" in text


def test_long_words_are_wrapped_below_themselves():
    skip = "not available: " + "io_uring was refused by the kernel " * 4
    table = build_tables(records_of([row("gather/a/x", skip=skip.strip())], []))[0]
    lines = "\n".join(line.plain for line in terminal(table, 60)).splitlines()
    assert max(map(len, lines)) <= 60
    assert " ".join(" ".join(lines[2:-1]).split()).startswith("x not available: io_uring was")


def test_a_pipe_gets_whole_tables_without_escapes(canned):
    text = printed(canned)
    assert "min–max" in text and "left out" not in text and "\x1b" not in text


def test_markdown_has_as_many_cells_in_every_line(canned):
    text = markdown(canned)
    tables = [part for part in text.split("### ")[1:]]
    assert [table.split("\n")[0] for table in tables] == ["sleeps", "echo"]
    for table in tables:
        lines = [line for line in table.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) == 1 and len(lines) == 5
    assert "| 20_50ms | process_per_task | limit: 4 processes |" in text
    assert markdown(canned) == text


def test_a_row_that_was_measured_at_the_second_try_says_so():
    name = "gather/a/x"
    tries = [
        sample(name, 0, error="failed: the peer said nothing"),
        *(sample(name, block, wall_s=0.1) for block in (0, 1)),
    ]
    (table,) = build_tables(records_of([row(name)], tries))
    words = "measured at the second try in 1 of 2 blocks: failed: the peer said nothing"
    assert [note for note in table.notes if name in note] == [f"{name}: {words}"]
    (table,) = build_tables(records_of([row(name)], tries[1:]))
    assert not [note for note in table.notes if name in note]
    (table,) = build_tables(records_of([row(name)], tries[:1]))
    assert not [note for note in table.notes if name in note], "its line has the words"


def test_markdown_escapes_what_would_break_a_table():
    records = records_of([row("gather/a/x", skip="limit: a | b")], [])
    assert "limit: a \\| b" in markdown(records)


def test_a_record_that_was_cut_short_is_named(canned):
    canned.cut_short = "its last record was cut short (9 bytes)"
    assert "run.jsonl: its last record was cut short (9 bytes) and is left out." in printed(canned)


def test_tables_comparisons_and_claims_read_the_same_samples():
    name = "gather/a/floor"
    walls = {0: 9.0, 1: 1.0, 2: 1.1, 3: 1.2}
    samples = [sample(name, block, dirty=block == 0, wall_s=w) for block, w in walls.items()]
    samples[3]["repeats_block"] = 0
    records = records_of([row(name)], samples)
    (series,) = from_records(records).seen_by(METRICS["wall"]).series
    assert series.values == {1: 1.0, 2: 1.1, 3: 1.2} and series.middle() == 1.1
    cells = cells_of(records, name)
    assert cells["wall"] == "1.10 s" and cells["min–max"] == "1.00–1.20 s"
    assert overview(records, "gather/a:wall").splitlines()[-1].endswith("| 1.10 s |")
    # A metric that the repetition lacks keeps the value of the block that it stands in for.
    samples[0]["counters"]["bytes_per_task"] = 128.0
    (series,) = from_records(records).seen_by(METRICS["memory"]).series
    assert series.values == {0: 128.0}


@pytest.mark.parametrize(("bound", "shown"), [(1, "1.00 s"), (2, "generator-bound")])
def test_what_the_load_generator_bound_is_no_figure_of_the_server(bound, shown):
    name = "echo/100x64/floor:epoll"
    samples = [
        sample(
            name,
            block,
            wall_s=9.0 if block < bound else 1.0,
            latency_p99_s=0.1,
            cpu_per_task_s=4e-6,
            generator_bound=int(block < bound),
        )
        for block in range(12)
    ]
    records = records_of([row(name, unit="message")], samples)
    cells = cells_of(records, name)
    assert cells["wall"] == shown and cells["CPU/message"] == "4.00 µs"
    words = {
        metric: from_records(records).seen_by(METRICS[metric]).series[0].words
        for metric in ("wall", "p99", "cpu", "max")
    }
    told = "" if shown == "1.00 s" else f"generator-bound in {bound} of 12 samples"
    assert (words["wall"], words["p99"], words["cpu"]) == (told, told, "")
    assert words["max"] == (told or "longest lateness or latency: not measured")
    line = overview(records, "echo/100x64:wall").splitlines()[-1]
    assert line.strip("| ").split(" | ")[2] == (told or shown)


def gated(gates, of=12):
    """Records of a row, with what `gates` says of its first blocks."""
    name = "echo/100x64_at_10k/coroutine:uring"
    samples = []
    for block in range(of):
        figures = {"wall_s": 1.0, "cpu_per_task_s": 4e-6, "parallelism": 0.1}
        if block >= len(gates):
            figures |= {"latency_p50_s": 2e-5, "latency_p99_s": 5e-5, "latency_max_s": 1e-3}
        samples.append(sample(name, block, **figures))
    for each, words in zip(samples, gates, strict=False):
        each["gates"] = [words, "Little's law: off by 9%"]
    return name, records_of([row(name, unit="message")], samples)


def test_a_server_that_did_not_answer_what_was_offered_has_words_and_no_figures():
    shares = range(61, 73)
    name, records = gated([f"overloaded: answered {share}% of 40,000/s" for share in shares])
    told = "overloaded: answered 67% of 40,000/s in 12 of 12 samples"
    assert cells_of(records, name)["words"] == told
    for metric in ("wall", "cpu", "p99", "P"):
        (series,) = from_records(records).seen_by(METRICS[metric]).series
        assert (series.words, series.values) == (told, {}), metric
    assert told in overview(records, "echo/100x64_at_10k:cpu")


def test_a_generator_that_was_late_takes_latency_and_leaves_cpu():
    name, records = gated(["generator late: p99 of sending is 90.0 us"] * 3)
    cells = cells_of(records, name)
    assert (cells["words"], cells["CPU/message"]) == ("", "4.00 µs")
    assert cells["wall"] == cells["latency p50 / p99 / max"] == "generator late"
    assert "messages after they were due in over 10% of the samples" in markdown(records)
    (series,) = from_records(records).seen_by(METRICS["p99"]).series
    assert series.words == "generator late in 3 of 12 samples"


def test_one_sample_that_a_gate_closed_on_is_left_out_and_the_others_count():
    name, records = gated(["generator late: p99 of sending is 90.0 us"])
    assert cells_of(records, name)["latency p50 / p99 / max"].startswith("20.0 / 50.0")
    (series,) = from_records(records).seen_by(METRICS["p99"]).series
    assert len(series.values) == 11 and series.words == ""


def test_how_even_connections_had_it_has_a_column_and_verdicts_and_the_gates_of_latency():
    name = "serve/100x64_1ms/thread_per_task"
    figures = {"wall_s": 1.0, "cpu_per_task_s": 4e-6, "latency_p50_s": 2e-5, "latency_max_s": 1e-3}
    samples = [sample(name, n, **figures, slowest_connection_ratio=1.5) for n in range(12)]
    records = records_of([row(name, unit="message")], samples)
    assert cells_of(records, name)["slowest connection ÷ median"] == "1.50"
    (series,) = from_records(records).seen_by(METRICS["fairness"]).series
    assert len(series.values) == 12 and series.words == ""
    for each in samples:
        each["gates"] = ["generator late: p99 of sending is 90.0 us"]
    assert cells_of(records, name)["slowest connection ÷ median"] == "generator late"
    (series,) = from_records(records).seen_by(METRICS["fairness"]).series
    assert series.words == "generator late in 12 of 12 samples" and not series.values
