"""asyncio on PyPy, a Python with a just-in-time compiler. The tasks are in ../python/event_loop.py. PyPy 7.3.11
is of Python 3.9, before asyncio.Runner: a loop that is kept is asked to run until a coroutine ends."""

import asyncio
import sys
from contextlib import closing

from event_loop import WORKLOADS, serve_by

# Debian packages aiohttp and asyncpg for its own Python, in a folder that PyPy looks into, too; they cannot
# load there.
del WORKLOADS["fetch"], WORKLOADS["query"]

VERSION = ".".join(map(str, sys.pypy_version_info[:3]))

if __name__ == "__main__":
    with closing(asyncio.new_event_loop()) as loop:
        asyncio.set_event_loop(loop)  # Where queues and gather() look for it before Python 3.10.
        serve_by(loop.run_until_complete, f"PyPy {VERSION}")
