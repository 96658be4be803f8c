"""asyncio on its own event loop. The tasks are in ../python/event_loop.py: uvloop runs the same."""

from event_loop import serve_on
from protocol import PYTHON

if __name__ == "__main__":
    serve_on(None, PYTHON)
