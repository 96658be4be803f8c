"""Query: against PostgreSQL every backend has its figures, and whatever goes wrong is one line."""

import contextlib
import importlib.util
import json
import os
import signal
import socket
import struct
import subprocess
from pathlib import Path

import pytest
from harness.binaries import BINARIES, ROOT, rows, run
from workloads.query.made_up_server import READY, answer, failure, lying, message, row

from overlap.peers.build import chosen_peers, find_peers, prepare
from overlap.servers import postgresql

needs_postgresql = pytest.mark.skipif(
    postgresql.missing() != "", reason=f"needs {postgresql.PACKAGE}"
)
FOLDER = BINARIES.parent / "servers" / "postgresql"
FEW = (ROOT / "bench/workloads/query/few.toml").read_text()
CLIENTS = {
    "asyncio": lambda: importlib.util.find_spec("asyncpg"),
    "uvloop": lambda: importlib.util.find_spec("asyncpg"),
    "python_threads": lambda: importlib.util.find_spec("psycopg2"),
    "go": lambda: Path("/usr/share/gocode/src/github.com/jackc/pgx/v4/conn.go").exists(),
}
ONE_EACH = "--backend=floor,coroutine:epoll,fiber:epoll,thread_pool,process_pool"


@pytest.fixture(scope="module")
def server():
    started = postgresql.start(FOLDER)
    yield started
    started.stop()


@pytest.fixture
def few(tmp_path):
    path = tmp_path / "few.toml"
    path.write_text(FEW)
    return path


@needs_postgresql
def test_every_backend_has_its_answers(tmp_path, server):
    path = tmp_path / "cases.toml"
    path.write_text(
        FEW + "[query.many]\nconnections = 3\nqueries = 40\n"
        "[query.long]\nconnections = 20\nqueries = 6\ndelay_s = 0.01\n"
    )
    known = [f"--postgres={postgresql.url(server)}", f"--postgres_process={server.process.pid}"]
    found = rows("query", path, *known)
    assert {name.split("/")[1] for name in found} == {"few", "many", "long"}
    for name, each in found.items():
        error = each.get("error_message", "")
        if error.startswith("not available: "):
            continue
        assert each.get("verified") == 1, (name, error)
        assert each["server_cpu_per_task_s"] > 0
        # One of the loops that has all tasks waits for them together.
        if "/long/coroutine" in name:
            assert each["peak_in_flight"] == 20
    without = rows("query", path, known[0], "--backend=coroutine:epoll", "--benchmark_filter=few")
    (each,) = without.values()
    assert each["verified"] == 1 and "server_cpu_per_task_s" not in each


@needs_postgresql
@pytest.mark.parametrize("name", ["asyncio", "uvloop", "go", "python_threads"])
def test_peers_have_their_answers(tmp_path, server, name):
    directory = BINARIES.parent / "peers"
    prepare(chosen_peers(find_peers(), name), directory)
    if skip := json.loads((directory / f"{name}.json").read_text())["skip"]:
        pytest.skip(skip)
    path = tmp_path / "cases.toml"
    path.write_text(FEW + "[query.many]\nconnections = 3\nqueries = 40\n")
    known = [f"--postgres={postgresql.url(server)}", f"--postgres_process={server.process.pid}"]
    known += [f"--peers={directory / name}.json", f"--backend={name}"]
    found = rows("query", path, *known)
    assert list(found) == [f"query/few/{name}", f"query/many/{name}"]
    for each in found.values():
        error = each.get("error_message", "")
        if error.startswith("no workload: ") and not CLIENTS[name]():
            pytest.skip("needs the client that ./scripts/setup --io installs")
        assert each.get("verified") == 1, error
        assert each["server_cpu_per_task_s"] > 0


@needs_postgresql
def test_a_login_by_password(few, server):
    url = postgresql.url(server, postgresql.WITH_PASSWORD)
    right = os.environ | {"PGPASSWORD": postgresql.PASSWORD}
    for name, each in rows("query", few, f"--postgres={url}", ONE_EACH, env=right).items():
        assert each.get("verified") == 1, (name, each)
    wrong = os.environ | {"PGPASSWORD": "battery staple"}
    for name, each in rows("query", few, f"--postgres={url}", ONE_EACH, env=wrong).items():
        words = f'failed: {url}: password authentication failed for user "overlap_scram"'
        assert each["error_message"].startswith(words), (name, each)


@needs_postgresql
def test_a_table_that_is_not_there(few, server):
    url = postgresql.url(server).rpartition("/")[0] + "/postgres"
    for name, each in rows("query", few, f"--postgres={url}", ONE_EACH).items():
        words = f'failed: {url}: relation "pgbench_accounts" does not exist (SQLSTATE 42P01)'
        assert each["error_message"].startswith(words), (name, each)


@needs_postgresql
def test_more_connections_than_the_server_allows(few, server):
    url = postgresql.url(server)
    with contextlib.ExitStack() as all_of_them:
        for _ in range(int(postgresql.SETTINGS["max_connections"])):
            all_of_them.enter_context(logged_in(server.port))
        found = rows("query", few, f"--postgres={url}", ONE_EACH)
    for name, each in found.items():
        words = f"failed: {url}: sorry, too many clients already (SQLSTATE 53300)"
        assert each["error_message"].startswith(words), (name, each)


def logged_in(port):
    connection = socket.create_connection(("127.0.0.1", port))
    said = struct.pack("!I", 3 << 16) + b"user\0overlap\0database\0overlap\0\0"
    connection.sendall(struct.pack("!I", len(said) + 4) + said)
    heard = b""
    while not heard.endswith(READY) and not heard.startswith(b"E"):
        heard += connection.recv(4096)
    return connection


@needs_postgresql
def test_a_server_that_dies_in_mid_run(tmp_path):
    path = tmp_path / "case.toml"
    path.write_text("[query.slow]\nconnections = 2\nqueries = 2\ndelay_s = 10\n")
    server = postgresql.start(FOLDER.with_name("postgresql_that_dies"))
    url = postgresql.url(server)
    command = [
        *(BINARIES / "bench_query", f"--workloads={path}", f"--postgres={url}"),
        *("--backend=coroutine:epoll", "--benchmark_format=json"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        try:
            asked = (
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT abalance%sleep%'"
            )
            while client.poll() is None and value_of(server, asked) < 2:
                pass
        finally:
            server.stop(signal.SIGQUIT)
        (each,) = json.load(client.stdout)["benchmarks"]
    assert each["error_message"].startswith(f"failed: {url}: "), each
    assert "terminating connection" in each["error_message"] or "hung up" in each["error_message"]


def value_of(server, query):
    command = [postgresql.PROGRAMS / "psql", "-Atc", query, postgresql.url(server)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_without_a_server_rows_say_what_they_need(few):
    for options, words in (
        ([], "not available: needs PostgreSQL "),
        (["--no_postgres=it is\nout"], "not available: it is out"),
    ):
        for each in rows("query", few, *options).values():
            assert each["error_message"].startswith(words) or "io_uring" in each["error_message"]


@pytest.mark.parametrize(
    "url",
    [
        "localhost",
        "postgresql://127.0.0.1:1/d",
        "postgresql://me@localhost/d",
        "postgresql://me@127.0.0.1:70000/d",
        "postgresql://me:secret@127.0.0.1/d",
    ],
)
def test_urls_that_name_no_server(few, url):
    done = run("query", f"--workloads={few}", f"--postgres={url}")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "expected postgresql://USER@ADDRESS:PORT/DATABASE" in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    "keys, words",
    [
        ("connections = 0\nqueries = 1", "expected a whole number from 1"),
        ("connections = 1\nqueries = 1\ndelay_s = 0.0005", "expected whole milliseconds"),
        ("connections = 1", "queries"),
    ],
)
def test_cases_that_make_no_sense(tmp_path, keys, words):
    path = tmp_path / "case.toml"
    path.write_text(f"[query.wrong]\n{keys}\n")
    done = run("query", f"--workloads={path}")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert words in done.stderr


WRONG_ANSWERS = {
    "nothing": (b"", "the server hung up before its answer"),
    "short": (
        answer(row(b"1234"))[:20],
        "the server hung up in the middle of its answer",
    ),
    "another protocol": (b"HTTP/1.1 400 Bad Request\r\n", "the answer is not PostgreSQL's"),
    "huge": (b"D" + struct.pack("!I", 2**31), "an answer of over 1048576 bytes"),
    "too small a message": (b"D\0\0\0\0", "an answer of over 1048576 bytes"),
    "no row": (answer(), "an account has 0 rows, expected 1"),
    "two rows": (answer(row(b"1234"), row(b"1234")), "an account has 2 rows, expected 1"),
    "no number": (answer(row(b"12345")), "the answer has no such number"),
    "a query that fails": (
        failure("57014", "canceling statement") + READY,
        "canceling statement (SQLSTATE 57014)",
    ),
    "the end": (failure("57P01", "terminating connection"), "(SQLSTATE 57P01)"),
    "a cut row": (message(b"D", b"\0\1\0\0\0\x09x") + READY, "message is cut short"),
}


@pytest.mark.parametrize("what", WRONG_ANSWERS)
def test_what_a_server_does_wrong_is_one_line(few, what):
    lies, words = WRONG_ANSWERS[what]
    with lying(lies) as url:
        found = rows("query", few, f"--postgres={url}", ONE_EACH)
    assert len(found) == 5
    for name, each in found.items():
        assert each["error_message"].startswith(f"failed: {url}: "), (name, each)
        assert words in each["error_message"] and "verified" not in each


def test_a_server_that_is_not_there(few):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"postgresql://me@127.0.0.1:{listener.getsockname()[1]}/bench"
    for name, each in rows("query", few, f"--postgres={url}", ONE_EACH).items():
        assert each["error_message"].startswith(f"failed: {url}: "), (name, each)
        assert "Connection refused" in each["error_message"]


def test_a_server_that_never_answers_ends_in_bounded_time(few):
    with lying(None) as url:
        found = rows("query", few, f"--postgres={url}", ONE_EACH, "--row_timeout=0.5")
    for name, each in found.items():
        assert each["error_message"].startswith("timeout"), (name, each)


def test_a_made_up_server_that_is_right_is_as_good_as_any(few):
    with lying("") as url:
        for name, each in rows("query", few, f"--postgres={url}", ONE_EACH).items():
            assert each.get("verified") == 1, (name, each.get("error_message"))


@pytest.mark.parametrize(
    "lies, words",
    [
        ("balance", "wrong: result 0 is "),
        ("early", "wrong: all answers were there before the server could have waited"),
    ],
)
def test_receipts(tmp_path, lies, words):
    path = tmp_path / "case.toml"
    path.write_text("[query.slow]\nconnections = 2\nqueries = 2\ndelay_s = 0.5\n")
    with lying(lies) as url:
        found = rows("query", path, f"--postgres={url}", "--backend=coroutine:epoll,fiber:epoll")
    for name, each in found.items():
        assert each["error_message"].startswith(words), (name, each)
