"""Peers as scripts/run finds, builds and describes them."""

import json
import re
import sys
from pathlib import Path

import pytest

from overlap.base.exits import UsageError
from overlap.commands import run
from overlap.commands.run import open_peers
from overlap.testing.fake_suite import FakeSuite
from overlap.measure.samples import Listing
from overlap.measure.suite import Suite
from overlap.peers.build import (
    chosen_peers,
    describe,
    find_peers,
    joined,
    prepare,
    prepared,
)
from overlap.peers.manifest import ALL
from overlap.records.rows import Row
from overlap.show.test_run_page import row
from overlap.show.test_tables_of_peers import peer_row

HELLO = """
import json, sys
print(json.dumps({"hello": {"version": "fast 1.2", "task_limit": 8}}), flush=True)
sys.stdin.read()
"""


def write_peer(folder, program=HELLO, **changes):
    """A sound peer in Python, with these keys of its manifest changed; None takes one out."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "peer.py").write_text(program)
    manifest = {
        "name": folder.name,
        "language": "Python",
        "model": "event loop",
        "run": [sys.executable, "{folder}/peer.py"],
        "version": [sys.executable, "-c", "print('Python 3')"],
        **changes,
    }
    lines = [f"{key} = {toml(value)}" for key, value in manifest.items() if value is not None]
    (folder / "peer.toml").write_text("\n".join(lines) + "\n")
    return folder


def toml(value):
    if isinstance(value, dict):
        return (
            "{ "
            + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items())
            + " }"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def told(folder, build):
    (peer,) = find_peers(folder.parent)
    return describe(peer, build)


def test_the_peers_of_this_checkout_are_sound():
    peers = find_peers()
    assert {"asyncio", "uvloop", "python_sequential", "python_threads", "python_processes"} <= {
        peer.name for peer in peers
    }
    for peer in peers:
        assert all((peer.folder / shared).is_dir() for shared in peer.shares), peer.name


def test_a_folder_is_all_that_a_peer_takes(tmp_path):
    write_peer(tmp_path / "peers" / "fast", order=2)
    write_peer(tmp_path / "peers" / "first", order=1)
    (tmp_path / "peers" / "shared").mkdir()
    peers = find_peers(tmp_path / "peers")
    assert [peer.name for peer in peers] == ["first", "fast"]
    found = describe(peers[1], tmp_path / "build")
    assert found["skip"] == "" and found["task_limit"] == 8
    assert found["version"] == "fast 1.2, Python 3"
    assert found["command"] == [sys.executable, f"{tmp_path}/peers/fast/peer.py"]
    assert found["folder"] == f"{tmp_path}/peers/fast"


def test_two_peers_of_one_name_are_refused(tmp_path):
    write_peer(tmp_path / "a", name="same")
    write_peer(tmp_path / "b", name="same")
    with pytest.raises(UsageError, match="b/peer.toml: name: same is the name of .*a/peer.toml"):
        find_peers(tmp_path)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"name": None}, "name: found nothing, expected letters"),
        ({"name": "a/b"}, 'name: found "a/b", expected letters'),
        *(
            ({"name": name}, f'name: found "{name}", expected letters')
            for name in (
                *("floor", "placebo", "sequential", "thread_pool", "process_per_task", "coroutine"),
                *("coroutine:uring", ".", "..", ".go", "-go", "all", "go.json", "go.new"),
                *("cargo_target", "cargo_home"),
            )
        ),
        ({"name": "go\n"}, 'name: found "go\\n", expected letters'),
        ({"language": "Go\u001b[1m"}, 'language: found "Go\\u001b[1m", expected text of one line'),
        ({"language": " Go"}, 'language: found " Go", expected text of one line'),
        ({"shares": ["../nowhere"]}, "shares: found ../nowhere, which is no folder"),
        ({"model": "fibres"}, 'model: found "fibres", expected one of sequential, event loop'),
        ({"run": []}, "run: found [], expected a command"),
        ({"run": ["a\0b"]}, 'run: found ["a\\u0000b"], expected a command'),
        ({"run": "peer"}, 'run: found "peer", expected a command, a list of words'),
        ({"build": [[]]}, "build: found [[]], expected a list of commands"),
        ({"order": True}, "order: found true, expected a whole number"),
        ({"needs": [{"command": "go"}]}, "needs: found "),
        ({"needs": [{"program": "go", "package": "golang-go"}]}, "needs: found "),
        ({"needs": [{"command": "go", "package": "go", "source": "a friend"}]}, "needs: found "),
        ({"needs": [{"command": "go", "file": "/go", "package": "go"}]}, "needs: found "),
        ({"released": {"go1.19": "2022"}}, 'released: found {"go1.19": "2022"}, expected a table'),
        ({"likes": [1]}, "likes: found [1], expected a list of paths"),
        ({"colour": "red"}, "colour: unknown; expected name, language"),
    ],
)
def test_an_unsound_manifest_is_one_clear_line(tmp_path, changes, words):
    write_peer(tmp_path / "odd", **changes)
    with pytest.raises(UsageError) as raised:
        find_peers(tmp_path)
    assert words in str(raised.value) and "odd/peer.toml: " in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_manifest_that_is_no_toml_is_named(tmp_path):
    write_peer(tmp_path / "odd")
    (tmp_path / "odd" / "peer.toml").write_text("name = \n")
    with pytest.raises(UsageError, match="odd/peer.toml: .*line 1"):
        find_peers(tmp_path)


def test_what_is_missing_is_said_with_its_package(tmp_path):
    needs = [
        {"command": "no-such-command", "package": "golang-moon"},
        {"module": "no_such_module", "package": "python3-moon"},
        {"module": "no_such_package.part", "package": "python3-star"},
        {"module": ".", "package": "python3-star"},
        {"file": "/nonexistent/*.h", "package": "libmoon-dev"},
        {"file": "{packages}/moon", "package": "moon@1.0", "source": "npm"},
        {"command": "sh", "package": "dash"},
        {"module": "json", "package": "python3"},
        {"file": "/etc/host*", "package": "base-files"},
    ]
    folder = write_peer(tmp_path / "peers" / "far", needs=needs)
    found = told(folder, tmp_path / "build")
    needed = "golang-moon, python3-moon, python3-star, libmoon-dev, moon@1.0 from npm"
    assert found["skip"] == f"skipped: needs {needed}"


def test_a_peer_is_built_once_for_each_state_of_its_files(tmp_path):
    count = 'echo built >> "$BUILD/count"; pwd > {build}/where'
    folder = write_peer(tmp_path / "peers" / "made", build=[["sh", "-c", count]])
    for _ in range(2):
        assert told(folder, tmp_path / "build")["skip"] == ""
    assert (tmp_path / "build" / "count").read_text() == "built\n"
    assert (tmp_path / "build" / "where").read_text().strip() == str(folder)
    (folder / "more.txt").write_text("more")
    told(folder, tmp_path / "build")
    assert (tmp_path / "build" / "count").read_text() == "built\n" * 2


def test_a_peer_is_built_again_when_what_it_needs_is_another(tmp_path):
    compiler = tmp_path / "compiler"
    compiler.write_text("one")
    needs = [{"file": str(tmp_path / "comp*"), "package": "moon-compiler"}]
    count = [["sh", "-c", 'echo built >> "$BUILD/count"']]
    folder = write_peer(tmp_path / "peers" / "made", build=count, needs=needs)
    for _ in range(2):
        told(folder, tmp_path / "build")
    compiler.write_text("another")
    told(folder, tmp_path / "build")
    assert (tmp_path / "build" / "count").read_text() == "built\n" * 2


def test_a_peer_is_built_without_what_it_likes_and_again_when_that_comes(tmp_path):
    client = tmp_path / "client"
    count = [["sh", "-c", 'echo built >> "$BUILD/count"']]
    folder = write_peer(tmp_path / "peers" / "made", build=count, likes=[str(tmp_path / "cli*")])
    for _ in range(2):
        assert told(folder, tmp_path / "build")["skip"] == ""
    assert (tmp_path / "build" / "count").read_text() == "built\n"
    client.write_text("here")
    told(folder, tmp_path / "build")
    assert (tmp_path / "build" / "count").read_text() == "built\n" * 2


def test_shared_files_are_part_of_a_peer(tmp_path):
    shared = tmp_path / "peers" / "shared"
    shared.mkdir(parents=True)
    write_peer(tmp_path / "peers" / "one", shares=["../shared"])
    (peer,) = find_peers(tmp_path / "peers")
    before = peer.digest()
    (shared / "code.py").write_text("pass")
    assert peer.digest() != before


def test_a_failing_build_is_skipped_with_its_first_error(tmp_path):
    script = "echo compiling; echo 'main.go:3: Error: no moon'; echo stop; exit 1"
    folder = write_peer(tmp_path / "peers" / "bad", build=[["sh", "-c", script]])
    skip = told(folder, tmp_path / "build")["skip"]
    assert skip.startswith("skipped: the build failed: main.go:3: Error: no moon (")
    assert skip.endswith("build.log)")


def test_a_silent_failing_build_is_skipped_with_how_it_ended(tmp_path):
    folder = write_peer(tmp_path / "peers" / "bad", build=[["sh", "-c", "exit 3"]])
    skip = told(folder, tmp_path / "build")["skip"]
    assert "the build failed: sh ended with exit code 3 and printed nothing (" in skip


def test_a_build_that_does_not_end_is_given_up_and_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("overlap.peers.build.BUILD_DEADLINE_S", 0.5)
    script = "setsid sleep 600 & echo $! > {build}/pid; wait"
    folder = write_peer(tmp_path / "peers" / "slow", build=[["sh", "-c", script]])
    skip = told(folder, tmp_path / "build")["skip"]
    assert "the build failed: sh was not done after 0.5 s (" in skip
    assert has_ended(tmp_path / "build" / "pid")


def has_ended(pid_file):
    return not Path("/proc", pid_file.read_text().strip()).exists()


def test_no_place_to_build_is_one_clear_line(tmp_path):
    write_peer(tmp_path / "peers" / "fast")
    (tmp_path / "build").write_text("no folder")
    with pytest.raises(UsageError, match="^cannot build peers: .*build: File exists$"):
        prepare(find_peers(tmp_path / "peers"), tmp_path / "build")


NOISY = """
import subprocess, sys
print("x" * 300_000, file=sys.stderr)
sleeper = subprocess.Popen(["sleep", "600"], start_new_session=True)
open(sys.argv[1], "w").write(str(sleeper.pid))
"""


def test_a_peer_may_say_much_and_what_it_starts_is_ended(tmp_path):
    folder = write_peer(
        tmp_path / "peers" / "noisy",
        NOISY + HELLO,
        run=[sys.executable, "peer.py", "{build}/pid"],
    )
    assert told(folder, tmp_path / "build")["skip"] == ""
    assert has_ended(tmp_path / "build" / "pid")


def test_what_a_peer_says_is_one_line(tmp_path):
    program = HELLO.replace("fast 1.2", "fast\\u001b[1m\\n1.2")
    folder = write_peer(tmp_path / "peers" / "odd", program)
    assert told(folder, tmp_path / "build")["version"] == "fast [1m 1.2, Python 3"
    program = "raise SystemExit('no \\x1b[31mmoon')"
    folder = write_peer(tmp_path / "peers" / "odd", program)
    assert told(folder, tmp_path / "build")["skip"].endswith("no hello: no [31mmoon")


@pytest.mark.parametrize(
    "program, words",
    [
        ("print('hello')", "its first line is no hello: hello"),
        ("raise SystemExit('no moon')", "its first line is no hello: no moon"),
        ('print(\'{"hello": {"version": "1"}}\')', "its first line is no hello: "),
        (
            'print(\'{"hello": {"version": "1", "task_limit": 0}}\')',
            "its first line is no hello: ",
        ),
    ],
)
def test_a_peer_that_does_not_say_hello_is_skipped(tmp_path, program, words):
    folder = write_peer(tmp_path / "peers" / "rude", program)
    assert told(folder, tmp_path / "build")["skip"].startswith(f"skipped: {words}")


def test_a_peer_that_says_nothing_is_given_up_and_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("overlap.peers.hello.HELLO_DEADLINE_S", 0.3)
    folder = write_peer(tmp_path / "peers" / "mute", "import time; time.sleep(600)")
    assert told(folder, tmp_path / "build")["skip"] == "skipped: it says no hello within 0.3 s"


def test_a_version_that_cannot_be_had_is_said(tmp_path):
    folder = write_peer(tmp_path / "peers" / "old", version=["sh", "-c", "echo too old; exit 7"])
    skip = told(folder, tmp_path / "build")["skip"]
    assert skip == "skipped: its version command ended with exit code 7: too old"


@pytest.mark.parametrize(
    "command, words",
    [
        (["no-such-command"], "cannot be started: no-such-command: No such file or directory"),
        (["sh", "-c", "sleep 600 & wait"], "was not done after 0.3 s"),
        (["true"], "ended with exit code 0 and printed nothing"),
        (["sh", "-c", "kill -9 $$"], "ended with signal 9 and printed nothing"),
    ],
)
def test_a_version_command_that_fails_is_told_in_words(tmp_path, monkeypatch, command, words):
    monkeypatch.setattr("overlap.peers.build.VERSION_DEADLINE_S", 0.3)
    folder = write_peer(tmp_path / "peers" / "old", version=command)
    assert told(folder, tmp_path / "build")["skip"] == f"skipped: its version command {words}"


def test_versions_have_the_year_that_they_are_of(tmp_path):
    years = {"fast 1.2": 2023, "Python 3": 2008, "slow 1": 1999, "Python 3.1": 2009}
    folder = write_peer(tmp_path / "peers" / "old", released=years)
    assert told(folder, tmp_path / "build")["version"] == "fast 1.2 (2023), Python 3 (2008)"
    (peer,) = find_peers(tmp_path / "peers")
    assert peer.dated("fast 1.20, Python 3.11.2") == "fast 1.20, Python 3.11.2 (2008)"


def test_one_version_is_not_said_twice():
    assert joined("Python 3.11.2", "Python 3.11.2") == "Python 3.11.2"
    assert joined("uvloop 0.17.0", "Python 3.11.2") == "uvloop 0.17.0, Python 3.11.2"


def test_peers_are_chosen_by_name(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        write_peer(tmp_path / "peers" / name)
    peers = find_peers(tmp_path / "peers")
    assert chosen_peers(peers, ALL) == peers
    assert [peer.name for peer in chosen_peers(peers, "c, a")] == ["a", "c"]
    with pytest.raises(UsageError, match="--peers a,x: no peer 'x'; expected a, b, c"):
        chosen_peers(peers, "a,x")
    prepare(peers[:2], tmp_path / "build")
    assert prepared(tmp_path / "build", ALL) == ["a", "b"]
    assert open_peers(tmp_path / "build", " b ", False) == {"b": peers[1].digest()}
    monkeypatch.setattr(run, "find_peers", lambda: peers[1:])
    assert list(open_peers(tmp_path / "build", ALL, True)) == ["b", "c"], "a is there no more"
    (tmp_path / "build" / "c.json").unlink()
    with pytest.raises(UsageError, match="--peers c: no peer 'c'; .*build has no others; ./scr"):
        open_peers(tmp_path / "build", "c", False)
    (tmp_path / "build" / "a.json").write_text("{")
    assert list(open_peers(tmp_path / "build", "b", False)) == ["b"], "what a says is no matter"
    with pytest.raises(UsageError, match="a.json: describes no peer"):
        open_peers(tmp_path / "build", "a", False)


@pytest.mark.parametrize("names", ["", " ", "a,"])
def test_choosing_no_peer_is_one_clear_line(tmp_path, names):
    write_peer(tmp_path / "peers" / "a")
    with pytest.raises(UsageError, match="--peers '?.*: no peer ''; expected a$"):
        chosen_peers(find_peers(tmp_path / "peers"), names)


def test_a_run_without_peers_looks_at_none_of_them(tmp_path, monkeypatch):
    suite = FakeSuite(tmp_path / "build", ["gather/ok/floor"])
    monkeypatch.setattr(run, "build", lambda *_, **__: suite.directory)
    monkeypatch.setattr(run, "find_peers", lambda: pytest.fail("peers were looked for"))
    opened = run.open_suite(run.parse(["--list"]))
    assert opened.peers == {} and list(opened.hashes()) == list(opened.listings)
    assert run.binary_arguments(run.parse([]), suite.directory, []) == []
    with_peers = run.binary_arguments(run.parse(["--peers"]), suite.directory, ["a", "b"])
    files = [f"{suite.directory}/peers/{name}.json" for name in ("a", "b")]
    assert with_peers == [f"--peers={','.join(files)}"]


def test_only_rows_of_chosen_peers_are_measured(tmp_path):
    suite = Suite(tmp_path, {}, {"near": "digest"})
    rows = [row("gather/a/floor"), peer_row("gather/a/near", "fibers", "1")]
    rows.append(peer_row("gather/a/far", "fibers", "1"))
    listed = [Row.from_record(each) for each in rows]
    suite.listings["gather"] = Listing("gather", tmp_path, listed, {})
    options = run.parse([])
    assert [each.backend for each in suite.chosen_rows(options)] == ["floor", "near"]
    chosen = [["--model", "fibers, floor"], ["--language", " Moon"], ["--language", "C++"]]
    found = [suite.chosen_rows(run.parse(words)) for words in chosen]
    assert [[each.backend for each in rows] for rows in found] == [
        *(["floor", "near"], ["near"], ["floor"]),
    ]
    for words, error in [
        (["--model", "fibres"], "--model fibres: no model 'fibres'; expected floor, fibers"),
        (["--language", "C++,moon"], "--language C++,moon: no language 'moon'; expected C++, Moon"),
        (["--backend", ""], "--backend '': no backend ''; expected floor, near"),
        (["--model", "floor", "--language", "Moon"], "--language Moon matches no row"),
    ]:
        with pytest.raises(UsageError, match=re.escape(error)):
            suite.chosen_rows(run.parse(words))
    suite.peers.clear()
    with pytest.raises(
        UsageError, match="no backend 'go'; expected floor; there are more with --p"
    ):
        suite.chosen_rows(run.parse(["--backend", "go"]))
