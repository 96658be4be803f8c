import os
from dataclasses import replace

from overlap.measure.contamination import Reading, contamination, read_machine

QUIET = Reading(monotonic_s=100.0, busy_s=50.0, steal_s=1.0, own_cpu_s=2.0, pressure=0.01)


def after(seconds=10.0, busy=0.0, steal=0.0, own=0.0):
    return replace(
        QUIET,
        monotonic_s=QUIET.monotonic_s + seconds,
        busy_s=QUIET.busy_s + busy,
        steal_s=QUIET.steal_s + steal,
        own_cpu_s=QUIET.own_cpu_s + own,
    )


def test_a_samples_own_work_is_not_foreign():
    found = contamination(QUIET, after(busy=8.1, own=0.1), sample_cpu_s=8.0)
    assert found["foreign_cpu_share"] == 0 and not found["dirty"]


def test_foreign_work_is_told_and_judged(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    found = contamination(QUIET, after(busy=9.0), sample_cpu_s=8.0)
    assert found["foreign_cpu_share"] == 0.05 and not found["dirty"]
    assert contamination(QUIET, after(busy=9.2), sample_cpu_s=8.0)["dirty"]


def test_stolen_time_is_told_and_judged(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    found = contamination(QUIET, after(steal=0.3), sample_cpu_s=0)
    assert found["steal_share"] == 0.015 and found["dirty"]
    assert not contamination(QUIET, after(steal=0.1), sample_cpu_s=0)["dirty"]


def test_a_tick_too_many_is_not_held_against_a_short_sample():
    assert not contamination(QUIET, after(seconds=0.05, busy=0.01, steal=0.01), 0.0)["dirty"]


def test_this_machine_can_be_read():
    first, second = read_machine(), read_machine()
    assert second.monotonic_s >= first.monotonic_s and second.busy_s >= first.busy_s > 0
    assert first.pressure is None or 0 <= first.pressure <= 1
