"""A server that speaks as much of PostgreSQL's protocol as a client of query asks for, and lies when told to."""

import contextlib
import re
import socketserver
import struct
import threading
import time


def message(letter, body=b""):
    return letter + struct.pack("!I", len(body) + 4) + body


def failure(code, words):
    fields = f"SERROR\0VERROR\0C{code}\0M{words}\0\0"
    return message(b"E", fields.encode())


READY = message(b"Z", b"I")
WELCOME = message(b"R", struct.pack("!I", 0)) + message(b"S", b"server_version\x0015\0") + READY


def row(*values):
    columns = b"".join(struct.pack("!I", len(value)) + value for value in values)
    return message(b"D", struct.pack("!H", len(values)) + columns)


def answer(*rows):
    return message(b"2") + b"".join(rows) + message(b"C", b"SELECT 1\0") + READY


def balance(key):
    return key * 2654435761 % 2147483647


class Session(socketserver.StreamRequestHandler):
    """Answers right, and in time. `lies` are "early", or "balance", or bytes in place of an answer, after
    which it hangs up; or None: it never answers."""

    lies = ""

    def handle(self):
        with contextlib.suppress(OSError, EOFError):
            self.body()
            self.wfile.write(WELCOME)
            self.talk()

    def talk(self):
        delay_s, key = 0.0, 0
        while (letter := self.rfile.read(1)) not in (b"", b"X"):
            body = self.body()
            if letter == b"P":
                found = re.search(rb"pg_sleep\(([0-9.]+)\)", body)
                delay_s = float(found[1]) if found else 0.0
                self.wfile.write(message(b"1"))
            elif letter == b"B":
                key = int(re.search(rb"([0-9]+)\x00\x01\x00\x01$", body)[1])
            elif letter == b"S":
                self.wfile.write(self.answer_to(key, delay_s) if key else READY)

    def answer_to(self, key, delay_s):
        if self.lies is None:
            self.rfile.read()
            raise EOFError
        if isinstance(self.lies, bytes):
            self.wfile.write(self.lies)
            raise EOFError
        if self.lies != "early":
            time.sleep(delay_s)
        return answer(row(struct.pack("!i", balance(key) + (self.lies == "balance"))))

    def body(self):
        (size,) = struct.unpack("!I", self.heard(4))
        return self.heard(size - 4)

    def heard(self, size):
        found = self.rfile.read(size)
        if len(found) < size:
            raise EOFError
        return found


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 100


@contextlib.contextmanager
def lying(lies):
    handler = type("Handler", (Session,), {"lies": lies})
    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"postgresql://me@127.0.0.1:{server.server_address[1]}/bench"
        finally:
            server.shutdown()
            thread.join()
