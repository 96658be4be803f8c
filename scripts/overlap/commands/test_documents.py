import pytest

from overlap.base.exits import UsageError
from overlap.base.machine import ROOT
from overlap.commands import report
from overlap.commands.documents import (
    NO_HISTORY_STATUS,
    DocumentError,
    Documents,
    documents,
    find_blocks,
)
from overlap.testing.fake_records import write_records
from overlap.records.files import read_records
from overlap.show.run_page import measured

TRUTH = {"floor": 0.5, "pool": 3.0}


def page(command, content):
    return (
        f"Text.\n\n<!-- generated: {command} -->\n{content}\n<!-- end of generated -->\n\nMore.\n"
    )


def greet(arguments):
    print("hello", *arguments)
    return 0


@pytest.fixture
def root(tmp_path):
    """A project with two documents, both as they must be."""
    (tmp_path / "results").mkdir()
    (tmp_path / "README.md").write_text(page("greet you", "hello you"))
    two = page("greet a 'b c'", "hello a b c") + page("greet d", "hello d")
    (tmp_path / "results" / "README.md").write_text(two)
    return tmp_path


def project(root):
    return Documents({"greet": greet}, root)


def test_documents_that_are_as_their_commands_make_them_pass(root):
    found = project(root)
    assert found.check() == [] and found.blocks == 3
    assert found.update() == []


def test_one_changed_figure_is_found_and_can_be_put_right(root):
    path = root / "results" / "README.md"
    good = path.read_text()
    path.write_text(good.replace("hello d", "hello e"))
    lines = project(root).check()
    assert "-hello e" in lines and "+hello d" in lines
    assert project(root).update() == ["results/README.md"] and path.read_text() == good


def test_blocks_of_any_length_are_replaced(root):
    path = root / "README.md"
    good = path.read_text()
    path.write_text(good.replace("hello you\n", "one\ntwo\nthree\n"))
    project(root).update()
    assert path.read_text() == good
    path.write_text(good.replace("hello you\n", ""))
    project(root).update()
    assert path.read_text() == good


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<!-- generated: greet -->\nhello\n", "README.md:1: no `<!-- end of generated -->`"),
        ("<!-- end of generated -->\n", "README.md:1: the end of nothing"),
        (page("greet", "hello") + "| backend | wall |\n", "README.md:8: results that no command"),
        ("![C and P](plane.svg)\n", "README.md:1: results that no command makes"),
        (page("rm -r", "x"), "README.md:3: rm is none of greet"),
        ("<!-- generated: greet -->\n<!-- generated: greet -->\n", "README.md:1: no `<!--"),
    ],
)
def test_documents_that_cannot_be_checked_are_refused(root, text, words):
    (root / "README.md").write_text(text)
    with pytest.raises(DocumentError, match=".*" + words.replace("!", ".")):
        project(root).check()


def test_a_command_that_fails_says_why(root, capsys):
    (root / "README.md").write_text(page("report --measured head missing.jsonl", "x"))
    with pytest.raises(DocumentError, match="README.md:3: .*missing.jsonl: No such file"):
        Documents({"report": report.main, "greet": greet}, root).check()


def test_figures_are_drawn_again_and_compared_byte_for_byte(root):
    def draw(arguments):
        target = arguments[arguments.index("--plane") + 1]
        for ending in ("svg", "png"):
            with open(f"{target}.{ending}", "w") as file:
                file.write(f"a picture of {arguments[-1]}")
        return 0

    def drawn():
        return Documents({"draw": draw, "greet": greet}, root)

    (root / "README.md").write_text(page("draw --plane results/plane data", "![C](plane.svg)"))
    assert len(drawn().check()) == 2  # Neither is there.
    drawn().update()
    assert (root / "results" / "plane.svg").read_text() == "a picture of data"
    assert drawn().check() == []
    (root / "results" / "plane.png").write_text("another picture")
    (line,) = drawn().check()
    assert "plane.png is not what its command draws" in line


def test_what_a_run_left_is_no_document(root):
    (root / "results" / "local").mkdir()
    (root / "results" / "local" / "notes.md").write_text("| backend | wall |\n")
    assert project(root).check() == []


def test_the_projects_own_documents_are_found():
    found = documents()
    assert {ROOT / "README.md", ROOT / "results" / "README.md"} <= set(found)
    lines = (ROOT / "README.md").read_text(encoding="utf-8").split("\n")
    assert len(list(find_blocks(ROOT / "README.md", lines))) >= 3


def test_what_was_measured_of_one_case(tmp_path, capsys):
    path = write_records(tmp_path / "run.jsonl", TRUTH, words={"pool": "limit: 3 processes"})
    lines = measured(read_records(path), "gather/a").splitlines()
    assert lines[0].startswith("| backend | wall | P | CPU/task |")
    assert any(line.startswith("| pool | limit: 3 processes |") for line in lines)
    assert measured(read_records(path), "head").startswith("here: a processor")
    with pytest.raises(UsageError, match="expected head or one of gather/a"):
        measured(read_records(path), "gather/b")
    assert report.main(["--measured", "gather/a", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == lines
    assert report.main(["--measured", "head"]) == 2
    assert "takes one record file, found 0" in capsys.readouterr().err


def test_who_shows_figures_of_a_record_says_how_old_it_is(root):
    (root / "README.md").write_text(page("greet x.jsonl.gz", "hello x.jsonl.gz"))
    (line,) = project(root).check()
    assert line.startswith(
        f"{root / 'README.md'}:3: figures of x.jsonl.gz, whose age nothing above says"
    )
    aged = page("greet --age x.jsonl.gz", "hello --age x.jsonl.gz")
    figures = page("greet x.jsonl.gz", "hello x.jsonl.gz")
    (root / "README.md").write_text(aged + figures + figures)
    assert project(root).check() == []
    (root / "README.md").write_text(figures + aged)
    (line,) = project(root).check()
    assert "README.md:3: figures of x.jsonl.gz" in line


def test_a_label_that_time_has_made_untrue_fails(root):
    """Until it says that the record is older than the code, which is there for everybody to read."""
    age = ["the same today"]

    def aging(arguments):
        print(age[0] if "--age" in arguments else "a figure")
        return 0

    told = page("greet --age x.jsonl", "the same today") + page("greet x.jsonl", "a figure")
    (root / "README.md").write_text(told)
    (root / "results" / "README.md").unlink()
    assert Documents({"greet": aging}, root).check() == []
    age[0] = "**Older than the code**"
    assert "-the same today" in Documents({"greet": aging}, root).check()
    Documents({"greet": aging}, root).update()
    assert "**Older than the code**\n" in (root / "README.md").read_text()
    assert Documents({"greet": aging}, root).check() == []


def test_words_on_age_stay_where_there_is_no_history_to_tell(root):
    def forgetful(arguments):
        return NO_HISTORY_STATUS if "--age" in arguments else greet(arguments)

    (root / "README.md").write_text(page("greet --age x.jsonl", "what was known once"))
    assert Documents({"greet": forgetful}, root).check() == []
    assert "what was known once" in (root / "README.md").read_text()
