"""A small HTTP server for tests: answers GET with JSON, one thread a connection.

    GET /item/7?with=20   waits until 20 such requests are in progress at once, then answers all;
                          503 if they do not come together within half a minute
    GET /connections      how many connections were opened so far

Prints its port as its first line, and ends when its standard input does.
"""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

PATIENCE_S = 30

lock = threading.Lock()
barriers: dict[int, threading.Barrier] = {}
connections = 0


def barrier_of(parties: int) -> threading.Barrier:
    with lock:
        return barriers.setdefault(parties, threading.Barrier(parties, timeout=PATIENCE_S))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Or the header and the body, two small segments, would wait for one another's acknowledgement.
    disable_nagle_algorithm = True

    def setup(self):
        global connections
        super().setup()
        with lock:
            connections += 1

    def do_GET(self):
        url = urlparse(self.path)
        if url.path == "/connections":
            return self.answer(200, {"connections": connections})
        parties = int(parse_qs(url.query).get("with", ["1"])[0])
        try:
            barrier_of(parties).wait()
        except threading.BrokenBarrierError:
            return self.answer(503, {"error": f"{parties} requests did not come together"})
        self.answer(200, {"item": int(url.path.rpartition("/")[2]), "in_progress": parties})

    def answer(self, status: int, value: object):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    class Server(ThreadingHTTPServer):
        request_queue_size = 1_000
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
