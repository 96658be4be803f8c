"""What echo_load is asked to do, and what it says of requests that make no sense."""

import subprocess

import pytest
from echo_load.serving import ECHO_LOAD, KEYS, KEYS_OF_OPEN_LOOP, assert_fails


@pytest.mark.parametrize(
    "options, words",
    [
        (["--connections", "0"], ["--connections", "0", "1 to 1000000"]),
        (["--connections", "-5"], ["--connections", "-5", "1 to 1000000"]),
        (["--connections", "1000000000000"], ["--connections", "1 to 1000000"]),
        (["--connections", "1.5"], ["--connections", "1.5"]),
        (["--messages", "0"], ["--messages", "1 to 1000000000"]),
        (["--messages", "1000000000", "--connections", "1000000"], ["MB", "lower"]),
        (["--bytes", "0"], ["--bytes", "1 to 1073741824"]),
        (["--bytes", "many"], ["--bytes", "many"]),
        (["--port", "0"], ["--port", "1 to 65535"]),
        (["--port", "65536"], ["--port", "1 to 65535"]),
        (["--timeout", "0"], ["--timeout", "0.001 to 86400 seconds"]),
        (["--timeout", "nan"], ["--timeout", "0.001 to 86400 seconds"]),
        (["--seed", "-1"], ["--seed", "-1"]),
        (["--host", "no-such-host.invalid"], ["--host", "no-such-host.invalid"]),
        (["--rate", "0"], ["--rate", "0.001 to 10000000 messages a second"]),
        (["--rate", "-1"], ["--rate", "0.001 to 10000000 messages a second"]),
        (["--rate", "1000000000000"], ["--rate", "0.001 to 10000000 messages a second"]),
        (["--rate", "1e12"], ["--rate", "0.001 to 10000000 messages a second"]),
        (["--rate", "nan"], ["--rate", "0.001 to 10000000 messages a second"]),
        (["--rate", "fast"], ["--rate", "fast"]),
        (["--rate", "1000", "--warm-up", "1"], ["--rate", "warm-up of 1 s", "run of 0.001 s"]),
        (["--rate", "1000", "--warm-up", "nan"], ["--warm-up", "0 to 86400 seconds"]),
        (["--rate", "1000", "--arrivals", "odd"], ["--arrivals", "odd", "even", "poisson"]),
        (["--arrivals", "even"], ["--arrivals", "--rate"]),
        (["--duration", "1"], ["--duration", "--messages"]),
        (["--merge", "/dev/null"], ["--merge", "--port"]),
        (["--colour", "red"], ["--colour", "--help"]),
        (["stray"], ["stray", "--help"]),
    ],
)
def test_requests_that_make_no_sense(options, words):
    request = {"--port": "7", "--connections": "1", "--messages": "1", "--bytes": "1"}
    rest = []
    for name, value in zip(options[::2], [*options[1::2], None]):
        if name in request:
            request[name] = value
        else:
            rest += [name] if value is None else [name, value]
    command = [str(ECHO_LOAD), *[word for pair in request.items() for word in pair], *rest]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert_fails(finished, 2, *words)


@pytest.mark.parametrize(
    "options, words",
    [
        (["--duration", "0"], ["--duration", "0.001 to 86400 seconds"]),
        (["--duration", "inf"], ["--duration", "0.001 to 86400 seconds"]),
        (["--duration", "0.001", "--rate", "0.1"], ["--rate", "no message is due"]),
        (["--duration", "86400", "--rate", "10000000"], ["864000000000 messages", "MB", "lower"]),
    ],
)
def test_durations_that_make_no_sense(options, words):
    request = ["--port", "7", "--connections", "1", "--bytes", "1", "--rate", "10", *options]
    if "--rate" in options:
        del request[6:8]
    finished = subprocess.run([ECHO_LOAD, *request], capture_output=True, text=True, timeout=60)
    assert_fails(finished, 2, *words)


def test_missing_options_are_named():
    finished = subprocess.run([str(ECHO_LOAD)], capture_output=True, text=True, timeout=60)
    assert_fails(finished, 2, "--port is required")


def test_help_explains_use_and_figures():
    finished = subprocess.run(
        [str(ECHO_LOAD), "--help"], capture_output=True, text=True, timeout=60
    )
    assert finished.returncode == 0
    for word in ("socat", "ncat", "Exit code", "verified", "little_error", "generator_bound"):
        assert word in finished.stdout
    for key in (KEYS | KEYS_OF_OPEN_LOOP) - {"connections", "messages", "bytes"}:
        family = "latency_*_s" if key.startswith("latency") else key
        assert family in finished.stdout
