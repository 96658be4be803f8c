"""The page in a real browser, and what it does with records that mean it ill."""

import gzip
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from overlap.base.machine import ROOT
from overlap.commands import compare, report
from overlap.testing.fake_records import edit, write_records

DRIVER = Path(__file__).with_name("browser_driver.js")
MODULES = ROOT / "build" / "browser" / "node_modules"
HOSTILE = "</script><script>document.title='run'</script>\"'<b>&amp;" + "x" * 10_000
RATIOS = {"thread_pool": 1.5, "process_pool": 0.7, "fiber:uring": 1.03, "floor": 0.5}


@pytest.fixture
def records(tmp_path):
    return write_records(tmp_path / "r.jsonl", RATIOS, cases=("gather/a", "gather/b"))


def page_of(*paths):
    output = paths[0].with_suffix(".html")
    assert report.main([*map(str, paths), "-o", str(output)]) == 0
    return output


def in_browser(page, records, folder):
    for name in ("node", "chromium"):
        if not shutil.which(name):
            pytest.skip(f"{name} is not installed: ./scripts/setup --browser")
    for name in ("playwright-core", "axe-core"):
        if not (MODULES / name).is_dir():
            pytest.skip(f"no {name}: ./scripts/setup --browser")
    ran = subprocess.run(
        ["node", DRIVER, page, records, folder],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"NODE_PATH": str(MODULES), "CHROMIUM": shutil.which("chromium")},
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A page's records, and what a browser saw of it."""
    folder = tmp_path_factory.mktemp("page")
    path = write_records(folder / "r.jsonl", RATIOS, cases=("gather/a", "gather/b"))
    return path, in_browser(page_of(path), path, folder)


def compared(capsys, path, baseline):
    capsys.readouterr()
    choice = ["--baseline", baseline] if baseline else []
    assert compare.main([str(path), *choice, "--format", "json"]) == 0
    comparison = json.loads(capsys.readouterr().out)
    return [cell for case in comparison["cases"] for cell in case["cells"]]


def test_a_browser_shows_what_compare_says_of_every_baseline(used, capsys):
    records, found = used
    assert set(found["baselines"]) == {"", "coroutine:uring", *RATIOS}
    for baseline, cells in found["baselines"].items():
        expected = {(c["case"], c["backend"]): c for c in compared(capsys, records, baseline)}
        judged = [cell for cell in cells if cell["ratio"] is not None]
        assert len(judged) == 2 * len(RATIOS)
        for cell in judged:
            same = expected[cell["case"], cell["backend"]]
            for field in ("ratio", "low_95", "high_95", "verdict", "blocks", "tier", "value"):
                assert cell[field] == same[field], (baseline, cell["backend"], field)
    assert found["errors"] == [] and found["requests"] == []
    assert found["violations"] == []
    assert found["wide"] == [320, 320, 320]  # In light, dark and without scripts at 320 px.
    assert found["shared"] == found["state"] != ""
    assert found["reset"] == ""
    assert found["rows_without_scripts"] == found["rows"] > 0
    assert found["pictures_without_scripts"] > 0


def test_every_control_does_by_keyboard_what_it_does_by_mouse(used):
    _, found = used
    seen = found["mouse"]
    assert found["keyboard"] == seen
    selects = {"baseline", "metric", "model", "language", "verdict", "theme"}
    one_choice = {"language"}
    for name in selects - one_choice:
        assert seen[name].startswith(f"#{name}="), name
    assert seen["query"] == "#query=pool" and seen["base"] == "#baseline=thread_pool"
    assert seen["sort 1"].startswith("#sort=") and seen["sort 2"] == seen["sort 1"] + "%3Adown"
    assert seen["pin"].startswith("#pinned=gather")
    assert seen["csv"] > 0 and seen["json"] > 0 and seen["link"] == "Tables"
    assert "figures in common" in seen["file"]
    assert {*selects, "query", "reset", "csv", "json", "base", "file"} <= set(found["reached"])


def test_print_and_motion(used):
    _, found = used
    assert found["print"] == {
        "controls": "none",
        "back": "rgb(255, 255, 255)",
        "wide": 794,  # A4.
        "hidden": 0,
        "larger": 0,
    }
    assert (found["reduce"], found["no-preference"]) == ("auto", "smooth")


def test_hostile_names_are_only_text(tmp_path):
    path = write_records(tmp_path / "r.jsonl", {HOSTILE: 1.2, "thread_pool": 2.0})
    text = page_of(path).read_text()
    assert "<script>document.title" not in text and "<b>&" not in text
    found = in_browser(path.with_suffix(".html"), path, tmp_path)
    assert found["title"] == "overlap: r" and found["errors"] == []
    assert found["wide"] == [320, 320, 320]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no head record"),
        ("{}\n", "no head record"),
        ('{"kind": "head", "format": 0}\n', "format"),
    ],
)
def test_what_is_no_record_file_is_one_line(tmp_path, capsys, text, words):
    path = tmp_path / "r.jsonl"
    path.write_text(text)
    assert report.main([str(path), "-o", str(tmp_path / "r.html")]) == 2
    told = capsys.readouterr().err
    assert words in told and told.count("\n") == 1
    assert not (tmp_path / "r.html").exists()


def test_a_file_that_was_cut_short_has_a_page(records, tmp_path, capsys):
    records.write_bytes(records.read_bytes()[:-70])
    assert "thread_pool" in page_of(records).read_text()


@pytest.mark.parametrize("name", ["standard", "peers"])
def test_a_page_of_thousands_of_samples_is_small(tmp_path, name):
    path = tmp_path / f"{name}.jsonl.gz"
    shutil.copy(ROOT / "results" / "epyc_2_cores" / path.name, path)
    assert len(gzip.compress(page_of(path).read_bytes())) < 300_000


@pytest.mark.parametrize("wall_s", [1e300, 5e-324])
def test_numbers_at_the_ends_of_floating_point_have_a_page(records, wall_s):
    def stretch(record):
        if record["kind"] == "sample" and record["block"] % 2:
            record["counters"]["wall_s"] = wall_s
        return [record]

    edit(records, stretch)
    assert "thread_pool" in page_of(records).read_text()


def test_two_runs_have_their_differences_first(records, tmp_path):
    after = write_records(tmp_path / "s.jsonl", RATIOS | {"thread_pool": 3.0}, seed=2)
    text = page_of(records, after).read_text()
    assert text.index("Differences between the runs") < text.index("The answer</h2>")
    assert "Real, and they matter" not in text or "thread_pool" in text


@pytest.mark.parametrize("output", ["nowhere/r.html", "."])
def test_an_output_that_cannot_be_written_is_one_line(records, tmp_path, capsys, output):
    assert report.main([str(records), "-o", str(tmp_path / output)]) == 2
    assert "--output" in capsys.readouterr().err


def test_records_without_a_sample_have_a_page_that_says_so(records):
    edit(records, lambda record: [record] if record["kind"] == "head" else [])
    assert "Nothing was measured" in page_of(records).read_text()


def test_a_family_is_a_curve_of_each_model_and_its_cases_are_folded(tmp_path):
    path = tmp_path / "r.jsonl.gz"
    shutil.copy(ROOT / "results" / "epyc_2_cores" / "curves.jsonl.gz", path)
    page = page_of(path)
    text = page.read_text()
    assert text.count('<details class="family">') == 4  # Pictures and tables of two families.
    assert "A further core pays with" in text
    for family in ("gather/grain", "gather/grain_coarse"):
        assert text.count(f"<strong>{family}</strong> wall time over work") == 1
    assert "<title>thread_pool</title>" in text
    found = in_browser(page, path, tmp_path)
    assert found["print"]["hidden"] == 0 and found["print"]["wide"] == 794
    assert found["wide"] == [320, 320, 320]
    assert found["errors"] == [] and found["violations"] == []
