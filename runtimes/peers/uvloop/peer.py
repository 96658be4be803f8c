"""asyncio on uvloop, set up as its documentation says for Python 3.11: by the runner's factory."""

import uvloop
from event_loop import serve_on

if __name__ == "__main__":
    serve_on(uvloop.new_event_loop, f"uvloop {uvloop.__version__}")
