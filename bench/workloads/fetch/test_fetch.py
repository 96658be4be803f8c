"""Fetch: against nginx every backend has its figures, and whatever a server does wrong is one line."""

import contextlib
import http.server
import importlib.util
import json
import re
import socket
import subprocess
import threading
import time

import pytest
from harness.binaries import BINARIES, ROOT, rows, run

from overlap.peers.build import chosen_peers, find_peers, prepare
from overlap.servers import nginx
from overlap.servers.items import document

needs_nginx = pytest.mark.skipif(nginx.missing() != "", reason=f"needs {nginx.PACKAGES}")
FEW = (ROOT / "bench/workloads/fetch/few.toml").read_text()
ONE_EACH = "--backend=floor,coroutine:epoll,fiber:epoll,thread_pool,process_pool"


@pytest.fixture(scope="module")
def server():
    started = nginx.start(BINARIES.parent / "servers" / "nginx")
    yield started
    started.stop()


@pytest.fixture
def few(tmp_path):
    path = tmp_path / "few.toml"
    path.write_text(FEW)
    return path


@needs_nginx
def test_every_backend_gets_its_documents(tmp_path, server):
    path = tmp_path / "cases.toml"
    path.write_text(
        FEW + "[fetch.new]\nconnections = 3\nrequests = 20\nconnection = 'new'\n"
        "[fetch.long]\nconnections = 20\nrequests = 6\ndelay_s = 0.01\n"
    )
    known = [f"--http={nginx.url(server)}", f"--http_process={server.process.pid}"]
    found = rows("fetch", path, *known)
    assert {name.split("/")[1] for name in found} == {"few", "new", "long"}
    for name, row in found.items():
        error = row.get("error_message", "")
        if error.startswith("not available: "):
            continue
        assert row.get("verified") == 1, (name, error)
        assert row["server_cpu_per_task_s"] > 0
        # One of the loops that has all tasks waits for them together.
        if "/long/coroutine" in name:
            assert row["peak_in_flight"] == 20
    without = rows("fetch", path, known[0], "--backend=coroutine:epoll", "--benchmark_filter=few")
    (row,) = without.values()
    assert row["verified"] == 1 and "server_cpu_per_task_s" not in row


@needs_nginx
@pytest.mark.parametrize(
    "name",
    [
        "asyncio",
        "uvloop",
        "gevent",
        "go",
        "go_1.23",
        "node",
        "node_26",
        "deno",
        "bun",
        "python_threads",
    ],
)
def test_peers_get_their_documents(tmp_path, server, name):
    directory = BINARIES.parent / "peers"
    prepare(chosen_peers(find_peers(), name), directory)
    peer = json.loads((directory / f"{name}.json").read_text())
    if peer["skip"]:
        pytest.skip(peer["skip"])
    path = tmp_path / "cases.toml"
    path.write_text(FEW + "[fetch.new]\nconnections = 3\nrequests = 20\nconnection = 'new'\n")
    known = [f"--http={nginx.url(server)}", f"--http_process={server.process.pid}"]
    known += [f"--peers={directory / name}.json", f"--backend={name}"]
    found = rows("fetch", path, *known)
    assert list(found) == [f"fetch/few/{name}", f"fetch/new/{name}"]
    for row in found.values():
        error = row.get("error_message", "")
        if error.startswith("no workload: ") and importlib.util.find_spec("aiohttp") is None:
            pytest.skip("needs python3-aiohttp")
        assert row.get("verified") == 1, error
        assert row["server_cpu_per_task_s"] > 0


def test_without_a_server_rows_say_what_they_need(few):
    for options, words in (
        ([], "not available: needs an HTTP server "),
        (["--no_http=nginx is\nout"], "not available: nginx is out"),
    ):
        for row in rows("fetch", few, *options).values():
            assert row["error_message"].startswith(words) or "io_uring" in row["error_message"]


@pytest.mark.parametrize(
    "url", ["localhost", "http://localhost:1", "http://1.2.3.4:70000", "https://127.0.0.1:1"]
)
def test_urls_that_name_no_server(few, url):
    done = run("fetch", f"--workloads={few}", f"--http={url}")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "expected http://ADDRESS:PORT" in done.stderr


@pytest.mark.parametrize(
    "keys, words",
    [
        ("connections = 0\nrequests = 1", "expected a whole number from 1"),
        ("connections = 1\nrequests = 1\ndelay_s = 0.0005", "expected whole milliseconds"),
        ("connections = 1\nrequests = 1\nconnection = 'any'", "expected one of"),
        ("connections = 1", "requests"),
    ],
)
def test_cases_that_make_no_sense(tmp_path, keys, words):
    path = tmp_path / "case.toml"
    path.write_text(f"[fetch.wrong]\n{keys}\n")
    done = run("fetch", f"--workloads={path}")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert words in done.stderr


def answer_of(text, more=""):
    return f"HTTP/1.1 200 OK\r\n{more}Content-Length: {len(text)}\r\n\r\n{text}".encode()


WRONG_SERVERS = {
    "status": (b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "status 500, expected 200"),
    "redirect": (
        b"HTTP/1.1 302 There\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
        "status 302, expected 200",
    ),
    "short": (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{", "in the middle of its answer"),
    "nothing": (b"", "the server hung up before its answer"),
    "another protocol": (b"220 mail ready\r\n", "the answer is not HTTP"),
    "no JSON": (answer_of("{"), "the answer is no JSON"),
    "no object": (answer_of("[1]"), 'the document has no "values"'),
    "no values": (answer_of('{"values": [1, "2"]}'), 'the document has no "values"'),
    "huge": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n{",
        "an answer of over 1048576 bytes",
    ),
}


@contextlib.contextmanager
def serving(answer):
    """A server that reads a request on each connection, sends `answer` and closes; None: that says
    nothing, and closes nothing."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    held = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            held.append(connection)
            if answer is None:
                continue
            with contextlib.suppress(OSError), connection:
                connection.recv(1000)
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()
        for connection in held:
            connection.close()


@pytest.mark.parametrize("what", WRONG_SERVERS)
def test_what_a_server_does_wrong_is_one_line(few, what):
    answer, words = WRONG_SERVERS[what]
    with serving(answer) as url:
        found = rows("fetch", few, f"--http={url}", ONE_EACH)
    assert len(found) == 5
    for name, row in found.items():
        assert row["error_message"].startswith(f"failed: {url}: "), (name, row)
        assert words in row["error_message"] and "verified" not in row


def test_a_server_that_is_not_there(few):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    for name, row in rows("fetch", few, f"--http={url}", ONE_EACH).items():
        assert row["error_message"].startswith(f"failed: {url}: "), (name, row)
        assert "Connection refused" in row["error_message"]


def test_a_server_that_never_answers_ends_in_bounded_time(few):
    with serving(None) as url:
        found = rows("fetch", few, f"--http={url}", ONE_EACH, "--row_timeout=0.5")
    for name, row in found.items():
        assert row["error_message"].startswith("timeout"), (name, row)


def test_a_process_that_is_gone(few):
    with subprocess.Popen(["true"]) as gone:
        pass
    with serving(b"") as url:
        (row,) = rows(
            "fetch", few, f"--http={url}", f"--http_process={gone.pid}", "--backend=fiber:epoll"
        ).values()
    assert re.match(rf"failed: the server, process {gone.pid}: ", row["error_message"])


class Documents(http.server.BaseHTTPRequestHandler):
    """Answers right, and in time, unless `lies` says otherwise; closes each kept connection after two."""

    protocol_version = "HTTP/1.1"
    lies = ""
    served = 0

    def do_GET(self):
        after, _, item = self.path.rpartition("/items/")
        if after and self.lies != "early":
            time.sleep(float(after.rpartition("/")[2]))
        body = document(int(item)).encode()
        if self.lies == "values":
            told = json.loads(body)
            told["values"][3] += 1
            body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.served += 1
        self.close_connection = self.served == 2  # And the header does not say so.

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def documents(lies):
    handler = type("Handler", (Documents,), {"lies": lies})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_connections_that_the_server_closes_are_opened_anew(few):
    with documents("") as url:
        for name, row in rows("fetch", few, f"--http={url}", ONE_EACH).items():
            if name.endswith("floor:epoll"):  # It does no more than it must.
                assert "hung up" in row["error_message"]
            else:
                assert row.get("verified") == 1, (name, row.get("error_message"))


@pytest.mark.parametrize(
    "lies, words",
    [
        ("values", "wrong: result 0 is "),
        ("early", "wrong: all documents were there before the server could have waited"),
    ],
)
def test_receipts(tmp_path, lies, words):
    path = tmp_path / "case.toml"
    path.write_text("[fetch.slow]\nconnections = 2\nrequests = 2\ndelay_s = 0.5\n")
    with documents(lies) as url:
        found = rows("fetch", path, f"--http={url}", "--backend=coroutine:epoll,fiber:epoll")
    for name, row in found.items():
        assert row["error_message"].startswith(words), (name, row)
