"""For the tests: a peer that does its work honestly but for one thing, which its argument names.

What it does honestly it does as runtimes/peers/asyncio does.
"""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import blocking
import event_loop
import protocol
import work

MISDEED = sys.argv[1]
HEAD_START_NS = 5_000_000
say_honestly = protocol.say


async def do_not_sleep(delay_ns):
    await asyncio.sleep(0)
    return 0


async def admit_waking_early(delay_ns):
    deadline = time.monotonic_ns() + delay_ns
    await asyncio.sleep(max(0, delay_ns - HEAD_START_NS) / 1e9)
    return time.monotonic_ns() - deadline


async def sleep_one_by_one(case, follow):
    return [await follow(event_loop.sleep_once(delay)) for delay in work.delays_ns(case)]


async def echo_one_by_one(case, follow):
    async def task():
        return blocking.accept_and_echo(listener, case)

    with blocking.listen() as listener:
        protocol.announce(listener.getsockname()[1])
        start = time.perf_counter()
        echoed = [await follow(task()) for _ in range(case["connections"])]
        return time.perf_counter() - start, echoed


async def echo_wrong_bytes(reader, writer, size, in_time):
    echoed = 0
    while data := await reader.read(size):
        writer.write(bytes(len(data)))
        echoed += len(data)
    writer.close()
    return echoed


async def beat_at_once(case):
    return 0, case["interval_ns"], case["interval_ns"]


async def resume_at_once(state, steps):
    return work.leaf_value(state, steps)


async def compute_one_repetition(workload, case, repeat, follow):
    """What the first repetition comes to is said of all."""
    start = time.perf_counter()
    results = await workload(case, follow)
    return time.perf_counter() - start, results, [sum(results)] * (repeat - 1)


def admit_not_writing(**answer):
    say_honestly(**(answer | {key: False for key in answer if key == "written"}))


async def wait_no_time(deadline_ns):
    return time.monotonic_ns()


def take_from_results(run):
    return replace(run, results=list(run.results)[:-1])


def report_half(run):
    return replace(run, wall_s=run.wall_s / 2)


def hide_8_ms(run):
    time.sleep(0.008)
    return run


def stand_still(run):
    return replace(run, wall_s=0)


def run_forever(run):
    return replace(run, wall_s=1e308)


def forget_a_flight(run):
    return replace(run, flights=run.flights[:-1])


def linger_over_flights(run):
    if run.flights:
        time.sleep(0.2)
    return run


def land_at_once(run):
    return replace(run, flights=[(start, start) for start, _ in run.flights])


def land_before_taking_off(run):
    return replace(run, flights=[(end, start) for start, end in run.flights])


def fly_for_an_hour(run):
    return replace(run, flights=[(start, end + 3600 * 10**9) for start, end in run.flights])


def leave_somebody_behind(run):
    """Honest about the time that it takes: that is not what it is to be caught for."""
    start = time.perf_counter()
    sleeper = subprocess.Popen(["sleep", "600"], start_new_session=True)
    with open(os.environ["LEFT_BEHIND"], "a") as file:
        print(sleeper.pid, file=file)
    return replace(run, wall_s=run.wall_s + time.perf_counter() - start)


def leave_somebody_behind_and_hang(run):
    leave_somebody_behind(run)
    hang(run)


def die(run):
    os.kill(os.getpid(), signal.SIGKILL)


def leave(run):
    print("gone fishing", file=sys.stderr)
    sys.exit(3)


def hang(run):
    time.sleep(600)


def talk_nonsense(run):
    print("hello there", flush=True)
    return run


def talk_without_end(run):
    while True:
        print("la " * 1000, end="", flush=True)


def answer_another_question(run):
    protocol.say(answer=42)
    return run


def complain(run):
    protocol.say(error="the moon is in the wrong place")
    return run


def complain_in_colour(run):
    protocol.say(error="\x1b[31mred\x1b[0m\nalert\x9b")
    return run


def complain_in_latin_1(run):
    sys.stdout.buffer.write(b"oh d\xe9ar\n")
    sys.stdout.flush()
    return run


def name_a_limit(run):
    protocol.say(limit="3 tasks on Sundays")
    return run


def know_no_workload(run):
    protocol.say(no_workload=True)
    return run


def from_memory(run):
    """Does a case honestly once; from then on it takes as long and says the same."""
    known = {}

    def remember(workload, case, repeat, trace):
        key = str({**case, protocol.SEED: 0})
        if key not in known:
            known[key] = run(workload, case, repeat, True)
            return known[key]
        start = time.monotonic_ns()
        time.sleep(known[key].wall_s * repeat)
        end = time.monotonic_ns()
        sums = [sum(known[key].results)] * (repeat - 1)
        flights = [(start, end)] * len(known[key].flights)
        return replace(known[key], wall_s=(end - start) / 1e9, sums=sums, flights=flights)

    return remember


# What is done in place of a part of the work ...
INSTEAD = {
    "skip_sleeping": (event_loop, "sleep_once", do_not_sleep),
    "wake_early": (event_loop, "sleep_once", admit_waking_early),
    "one_by_one": (event_loop.WORKLOADS, "sleeps", sleep_one_by_one),
    "echo_one_by_one": (event_loop, "echo", echo_one_by_one),
    "wrong_bytes": (event_loop, "echo_connection", echo_wrong_bytes),
    "skip_computing": (event_loop, "leaf_value", lambda state, steps: state),
    "equal_work": (event_loop, "works", lambda case, first: itertools.repeat(case["work"])),
    "compute_one_repetition": (event_loop, "timed", compute_one_repetition),
    "resume_at_once": (event_loop, "leaf", resume_at_once),
    "skip_beating": (event_loop, "beat", beat_at_once),
    "write_nothing": (protocol, "say", admit_not_writing),
    "skip_waiting": (event_loop, "sleep_until", wait_no_time),
}
# ... and what is done to what an honest run came to.
AFTERWARDS = {
    function.__name__: function
    for function in (
        take_from_results,
        report_half,
        hide_8_ms,
        stand_still,
        run_forever,
        forget_a_flight,
        linger_over_flights,
        land_at_once,
        land_before_taking_off,
        fly_for_an_hour,
        leave_somebody_behind,
        leave_somebody_behind_and_hang,
        die,
        leave,
        hang,
        talk_nonsense,
        talk_without_end,
        answer_another_question,
        complain,
        complain_in_colour,
        complain_in_latin_1,
        name_a_limit,
        know_no_workload,
    )
}


def serve_dishonestly(run, version, task_limit=None):
    if MISDEED == "answer_from_memory":
        return serve_honestly(from_memory(run), version, task_limit)
    misdeed = AFTERWARDS.get(MISDEED, lambda run: run)
    serve_honestly(lambda *request: misdeed(run(*request)), version, task_limit)


if MISDEED in INSTEAD:
    place, name, instead = INSTEAD[MISDEED]
    if isinstance(place, dict):
        place[name] = instead
    else:
        setattr(place, name, instead)
elif MISDEED not in AFTERWARDS and MISDEED not in ("nothing", "answer_from_memory"):
    sys.exit(f"{MISDEED}: no such misdeed")
serve_honestly = protocol.serve
event_loop.serve = serve_dishonestly
event_loop.serve_on(None, "1")
