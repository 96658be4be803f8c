"""echo_load against servers that do not echo, or do not answer."""

import resource
import socket
import threading
import time

import pytest
from echo_load.serving import OneAtATime, assert_fails, echo, echo_load, serving


def test_a_wrong_byte_is_found_wherever_it_is():
    for position in (0, 31, 63):

        def corrupt(server, connection, position=position):
            for _ in range(3):
                connection.sendall(connection.recv(64, socket.MSG_WAITALL))
            data = bytearray(connection.recv(64, socket.MSG_WAITALL))
            data[position] ^= 1
            connection.sendall(data)
            connection.recv(1)

        with serving(corrupt) as server:
            finished = echo_load(server.port)
        assert_fails(
            finished, 1, "message 4 of 10", f"byte {position + 1} of 64", "came back changed"
        )


def test_replies_of_another_connection_are_found():
    replies, both = {}, threading.Barrier(2)

    def swap(server, connection):
        mine = connection.fileno()
        replies[mine] = connection.recv(64, socket.MSG_WAITALL)
        both.wait(10)
        connection.sendall(next(data for other, data in replies.items() if other != mine))
        connection.recv(1)

    with serving(swap) as server:
        assert_fails(echo_load(server.port, connections=2), 1, "came back changed")


def test_a_repeated_reply_is_found():
    def repeat(server, connection):
        first = connection.recv(64, socket.MSG_WAITALL)
        connection.sendall(first)
        while connection.recv(64, socket.MSG_WAITALL):
            connection.sendall(first)

    with serving(repeat) as server:
        assert_fails(echo_load(server.port), 1, "message 2 of 10", "byte 1 of 64")


@pytest.mark.parametrize("bytes_before", [0, 64, 100])
def test_a_server_that_closes_early_is_an_error(bytes_before):
    def close_early(server, connection):
        left = bytes_before
        while left and (data := connection.recv(left)):
            connection.sendall(data)
            left -= len(data)

    with serving(close_early) as server:
        finished = echo_load(server.port)
    assert_fails(finished, 1, "connection 1 of 1")
    assert any(how in finished.stderr for how in ("closed", "reset", "Broken pipe"))


def test_a_reset_is_an_error():
    def reset(server, connection):
        connection.sendall(connection.recv(64, socket.MSG_WAITALL))
        connection.recv(64, socket.MSG_WAITALL)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with serving(reset) as server:
        assert_fails(echo_load(server.port), 1, "message 2 of 10", "reset")


def too_much_at_once(server, connection):
    while data := connection.recv(64, socket.MSG_WAITALL):
        connection.sendall(data + b"x")


def too_much_at_the_end(server, connection):
    echo(server, connection)
    connection.sendall(b"one more thing")


@pytest.mark.parametrize("serve, excess", [(too_much_at_once, 1), (too_much_at_the_end, 14)])
def test_extra_bytes_are_an_error(serve, excess):
    with serving(serve) as server:
        assert_fails(echo_load(server.port), 1, f"extra bytes: {excess}")


def test_a_server_that_speaks_first_is_an_error():
    def greet(server, connection):
        connection.sendall(b"220 welcome\r\n")
        connection.recv(1)

    with serving(greet) as server:
        finished = echo_load(server.port)
    assert_fails(finished, 1, "220 welcome..")


def silent(connection, data):
    pass


def half(connection, data):
    connection.sendall(data[:32])


def dripping(connection, data):
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


def deaf(connection, data):
    time.sleep(5)


@pytest.mark.parametrize(
    "habit, size, words",
    [
        (silent, 64, "no byte of this message (does the server wait for the end of a line, or"),
        (half, 64, "32 of 64 bytes of this message\n"),
        (dripping, 64, " of 64 bytes of this message, and more still come"),
        (deaf, 50_000_000, "could be sent: does the server read?)"),
    ],
)
def test_what_came_back_before_a_timeout_is_said(habit, size, words):
    def serve(server, connection):
        while data := connection.recv(64):
            habit(connection, data)

    with serving(serve) as it:
        finished = echo_load(it.port, size=size, timeout=0.3)
    assert_fails(finished, 1, "connection 1 of 1, message 1 of 10", "timeout of 0.3 s", words)


def test_a_reply_in_two_parts_without_nodelay_is_recognized():
    def serve(server, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        while data := connection.recv(64):
            connection.sendall(data[:1])
            connection.sendall(data[1:])

    with serving(serve) as it:
        finished = echo_load(it.port, messages=40)
    assert finished.returncode == 0
    assert "replies take 40 ms" in finished.stdout


def test_every_address_of_a_name_is_tried():
    try:
        found = socket.getaddrinfo("localhost", 1, type=socket.SOCK_STREAM)
    except socket.gaierror:
        pytest.skip("localhost has no address here: a minimal system has no /etc/hosts")
    names = {address[0] for *_, address in found}
    if not {"::1", "127.0.0.1"} <= names:
        pytest.skip("localhost has one address here")
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with serving(echo, family, host) as server:
            assert echo_load(server.port, "--host", "localhost").returncode == 0


def test_one_stuck_connection_among_busy_ones_is_a_timeout():
    first = threading.Lock()

    def serve(server, connection):
        if first.acquire(blocking=False):
            connection.sendall(connection.recv(64, socket.MSG_WAITALL)[:63])
            connection.recv(1)
        else:
            echo(server, connection)

    with serving(serve) as server:
        finished = echo_load(server.port, timeout=0.3, connections=3, messages=10_000_000)
    assert_fails(finished, 1, "timeout of 0.3 s")


@pytest.mark.parametrize("at_once", [2, 100])
def test_connections_are_held_open_until_enough_are_served(at_once):
    server = OneAtATime(echo)
    try:
        finished = echo_load(server.port, "--at-once", at_once, connections=3, timeout=1)
    finally:
        server.close()
    expected = f"1 of the {min(at_once, 3)} that should be served at once"
    assert_fails(finished, 1, "connection 2 of 3, message 1 of 10", "timeout of 1 s", expected)


def test_a_server_that_accepts_nobody_is_a_timeout():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        finished = echo_load(listener.getsockname()[1], connections=20, timeout=0.3)
    assert_fails(finished, 1, "of 20 connections", "timeout")


def test_nobody_listening_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert_fails(echo_load(port), 1, f"127.0.0.1 port {port}", "refused")


def test_too_few_descriptors_are_named_before_connecting():
    finished = echo_load(
        1, connections=200,
        settings={"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))},
    )  # fmt: skip
    assert_fails(finished, 1, "200 connections need 216 descriptors", "may have 100", "ulimit")
