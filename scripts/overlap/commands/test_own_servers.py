"""A run has its servers while it lasts, and says in words why it has none."""

import argparse
import os
import signal
import subprocess
import time
import urllib.request

import pytest

from overlap.commands.own_servers import CLIENTS, SERVICES, cpu_s_of, servers_of_run
from overlap.servers import nginx
from overlap.servers.server import Server, StartError

OPTIONS = argparse.Namespace(http=None, postgres=None)


@pytest.fixture(params=CLIENTS)
def service(request):
    return SERVICES[request.param]


def only(service):
    return [workload for workload, each in SERVICES.items() if each is service]


def test_a_server_that_was_named_is_not_started(service, tmp_path, monkeypatch):
    monkeypatch.setattr(service.module, "start", lambda _: pytest.fail("started"))
    named = argparse.Namespace(**vars(OPTIONS) | {service.option: "there"})
    with servers_of_run(named, tmp_path, only(service)) as served:
        assert served.arguments == [f"--{service.option}=there"]
        assert served.settings == {} and served.cpu_s() == 0


def test_a_server_that_is_not_installed_is_words(service, tmp_path, monkeypatch):
    monkeypatch.setattr(service.module, "missing", lambda: "apples and pears")
    with servers_of_run(OPTIONS, tmp_path, only(service)) as served:
        (words,) = served.arguments
    needs = "needs apples and pears: ./scripts/setup --io installs what it takes"
    assert words == f"--no_{service.option}={needs}"


def test_a_server_that_does_not_start_is_words(service, tmp_path, monkeypatch):
    def start(_):
        raise StartError("it does not start: too few apples")

    monkeypatch.setattr(service.module, "missing", lambda: "")
    monkeypatch.setattr(service.module, "start", start)
    with servers_of_run(OPTIONS, tmp_path, only(service)) as served:
        assert served.arguments == [f"--no_{service.option}=it does not start: too few apples"]


def test_workloads_have_the_servers_that_they_need_and_no_others(tmp_path, monkeypatch):
    for service in SERVICES.values():
        monkeypatch.setattr(service.module, "missing", lambda: "apples")
    with servers_of_run(OPTIONS, tmp_path, ["sleeps", *CLIENTS]) as served:
        options = [argument.partition("=")[0] for argument in served.arguments]
        assert options == ["--no_http", "--no_postgres"]
    with servers_of_run(OPTIONS, tmp_path, ["sleeps"]) as served:
        assert served.arguments == []


@pytest.mark.parametrize(
    "program",
    [
        "(while :; do :; done) & wait",
        "while :; do (i=0; while [ $i -lt 9999 ]; do i=$((i+1)); done); done",
    ],
    ids=["alive", "ended"],
)
def test_the_cpu_time_of_a_servers_processes_counts(tmp_path, program):
    server = Server("sh", tmp_path, signal.SIGKILL)
    server.process = subprocess.Popen(["sh", "-c", program], start_new_session=True)
    try:
        before, deadline = cpu_s_of(server), time.monotonic() + 60
        while cpu_s_of(server) < before + 0.2 and time.monotonic() < deadline:
            pass
        assert cpu_s_of(server) >= before + 0.2
    finally:
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
    assert cpu_s_of(server) == 0


@pytest.mark.skipif(nginx.missing() != "", reason=f"needs {nginx.PACKAGES}")
def test_nginx_is_there_as_long_as_the_run_and_its_cpu_time_counts(tmp_path):
    tmp_path.chmod(0o755)
    for folder in (tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)  # For the user that it runs as.
    with servers_of_run(OPTIONS, tmp_path, ["fetch"]) as served:
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
