"""What has changed since a record was made, in histories of a few commits."""

import subprocess

import pytest

from overlap.records.age import NoHistory, age_words, changed_since, code_of
from overlap.records.files import read_records
from overlap.records.rows import Row
from overlap.testing.fake_records import edit, write_records


def git(root, *arguments):
    options = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    command = ["git", "-C", str(root), *options, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def put(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def root(tmp_path):
    tree = tmp_path / "tree"
    for name in (
        "bench/workloads/gather/body.hpp",
        "bench/workloads/gather/gather_test.cpp",
        "bench/workloads/echo/body.hpp",
        "bench/harness/README.md",
        "runtimes/fiber/fiber.hpp",
        "runtimes/process/process_pool.hpp",
    ):
        put(tree, name, "first")
    git(tree.parent, "init", "-q", str(tree))
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "first")
    return tree


@pytest.fixture
def records(tmp_path, root):
    """Of the workload gather, on fibers and coroutines, measured at the first commit."""
    path = write_records(tmp_path / "run.jsonl", {"fiber:uring": 1.0})
    commit = git(root, "rev-parse", "HEAD")

    def there(record):
        if record["kind"] == "head":
            record["suite"]["commit"] = commit
        return [record]

    edit(path, there)
    return read_records(path)


def test_a_record_is_as_young_as_its_code(root, records):
    assert changed_since(records, root) == {}
    assert age_words(records, {}).endswith("is the same today.")


def test_what_the_record_did_not_run_and_what_is_no_code_makes_it_no_older(root, records):
    put(root, "bench/workloads/echo/body.hpp", "second")
    put(root, "bench/workloads/gather/gather_test.cpp", "second")
    put(root, "bench/harness/README.md", "second")
    put(root, "runtimes/process/process_pool.hpp", "second")
    assert changed_since(records, root) == {}


def test_what_it_ran_makes_it_older_committed_or_not_and_a_way_back_does_not(root, records):
    put(root, "runtimes/fiber/fiber.hpp", "second")
    put(root, "bench/workloads/gather/body.hpp", "second")
    expected = {"bench/workloads/gather": 1, "runtimes/fiber": 1}
    assert changed_since(records, root) == expected
    git(root, "commit", "-qam", "second")
    assert changed_since(records, root) == expected
    assert "**Older than the code**" in age_words(records, expected)
    put(root, "runtimes/fiber/fiber.hpp", "first")
    put(root, "bench/workloads/gather/body.hpp", "first")
    assert changed_since(records, root) == {}


def test_without_the_commit_nobody_can_tell(root, records):
    records.head["suite"]["commit"] = "0123456789" * 4
    with pytest.raises(NoHistory, match="commit 0123456789 is not in this history"):
        changed_since(records, root)
    records.head["suite"]["commit"] = ""
    with pytest.raises(NoHistory, match="commit unknown"):
        changed_since(records, root)
    records.head["suite"]["commit"] = "--stat"
    with pytest.raises(NoHistory):
        changed_since(records, root)


def test_peers_are_their_own_folders():
    row = Row("sleeps/a/tokio", "sleeps", "a", "tokio", 1, "task", 0.0, "", model="event loop")
    assert {"runtimes/peers/tokio", "bench/peers", "bench/workloads/sleeps"} <= code_of([row])
    assert "runtimes/fiber" not in code_of([row])
