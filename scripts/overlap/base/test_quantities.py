"""Numbers as people write them."""

import argparse

import pytest

from overlap.base.quantities import count, duration, size


@pytest.mark.parametrize(
    "text, seconds",
    [("20ms", 0.02), ("200us", 2e-4), ("200 µs", 2e-4), ("1.5s", 1.5), ("0", 0.0), ("0ms", 0.0)]
    + [("1,500 ms", 1.5), (".5s", 0.5), ("2min", 120.0), ("50NS", 5e-8), ("1h", 3600.0)],
)
def test_durations(text, seconds):
    assert duration(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    ["", "20", "ms", "-1ms", "20m", "1e3s", "20 ms ms", "2h", "1,5s", "nan", "inf", "9" * 99],
)
def test_what_is_no_duration_is_said_in_one_line(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected") as refused:
        duration(text)
    assert len(str(refused.value)) < 100 and "\n" not in str(refused.value)


def test_sizes():
    assert size("1GB") == 1e9 and size("2 GiB") == 2**31 and size("512mb") == 512e6
    for text in ("1", "1GX", "0", "0.1B", "-1GB"):
        with pytest.raises(argparse.ArgumentTypeError, match="expected"):
            size(text)


def test_counts():
    read = count(1_000_000)
    assert [read(t) for t in ("2000", "2,000", "10k", "1.5k", "1M")] == [
        2000,
        2000,
        10000,
        1500,
        10**6,
    ]
    for text in ("0", "1.5", "2M", "ten", "-3", "1 000", "1,00"):
        with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number from 1 to"):
            read(text)
