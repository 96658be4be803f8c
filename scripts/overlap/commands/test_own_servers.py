"""A run has its servers while it lasts, and says in words why it has none."""

import argparse
import time
import urllib.request

import pytest

from overlap.commands.own_servers import servers_of_run
from overlap.measure.suite import Served
from overlap.servers import nginx
from overlap.servers.server import StartError

OPTIONS = argparse.Namespace(http=None)


def test_a_server_that_was_named_is_not_started(tmp_path, monkeypatch):
    monkeypatch.setattr(nginx, "start", lambda _: pytest.fail("started"))
    with servers_of_run(argparse.Namespace(http="http://127.0.0.1:1"), tmp_path) as served:
        assert served.arguments == ["--http=http://127.0.0.1:1"]
        assert served.settings == {} and served.cpu_s() == 0


def test_a_server_that_is_not_installed_is_words(tmp_path, monkeypatch):
    monkeypatch.setattr(nginx, "missing", lambda: "apples and pears")
    with servers_of_run(OPTIONS, tmp_path) as served:
        (words,) = served.arguments
    assert words == "--no_http=needs apples and pears: ./scripts/setup --io installs them"


def test_a_server_that_does_not_start_is_words(tmp_path, monkeypatch):
    def start(_):
        raise StartError("nginx does not start: too few apples")

    monkeypatch.setattr(nginx, "missing", lambda: "")
    monkeypatch.setattr(nginx, "start", start)
    with servers_of_run(OPTIONS, tmp_path) as served:
        assert served == Served(["--no_http=nginx does not start: too few apples"])


@pytest.mark.skipif(nginx.missing() != "", reason=f"needs {nginx.PACKAGES}")
def test_nginx_is_there_as_long_as_the_run_and_its_cpu_time_counts(tmp_path):
    tmp_path.chmod(0o755)
    for folder in (tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)  # For the user that it runs as.
    with servers_of_run(OPTIONS, tmp_path) as served:
        url, process = (word.partition("=")[2] for word in served.arguments)
        assert url.startswith("http://127.0.0.1:") and int(process) > 0
        assert served.settings["nginx"]["version"].startswith("nginx/")
        before, deadline = served.cpu_s(), time.monotonic() + 60
        while served.cpu_s() == before and time.monotonic() < deadline:
            get(url)
        assert served.cpu_s() > before
    assert served.cpu_s() == 0
    with pytest.raises(OSError):
        get(url)


def get(url):
    with urllib.request.urlopen(f"{url}/items/3", timeout=10) as answer:
        answer.read()
