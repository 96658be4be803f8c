import pytest

from overlap.base import units


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (1.0021, "1.00 s"),
        (75.04, "75.0 s"),
        (0.0123, "12.3 ms"),
        (999.7e-6, "1.00 ms"),
        (61.23e-6, "61.2 µs"),
        (8.5e-9, "8.50 ns"),
        (2e-12, "2.00 ps"),
        (-0.002, "-2.00 ms"),
        (None, "–"),
    ],
)
def test_seconds_have_three_digits_and_a_fitting_unit(value, text):
    assert units.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 B"), (136, "136 B"), (1000, "1.00 KB"), (8.5e3, "8.50 KB"), (1.15e9, "1.15 GB")],
)
def test_bytes_have_decimal_prefixes(value, text):
    assert units.byte_count(value) == text


def test_several_durations_share_the_unit_of_the_middle_one():
    assert units.several_seconds([61e-6, 120e-6, 3.2e-3]) == "61.0 / 120 / 3200 µs"
    assert units.several_seconds([61e-6, None, 3.2e-3]) == "0.061 / – / 3.20 ms"
    assert units.several_seconds([None, None]) == "–"


def test_durations_that_are_far_apart_have_units_of_their_own():
    assert units.several_seconds([14.1e-6, 49.4e-6, 1.5388]) == "14.1 µs / 49.4 µs / 1.54 s"
    assert units.several_seconds([2e-9, 3e-3]) == "2.00 ns / 3.00 ms"


def test_plain_numbers_separate_thousands():
    assert units.plain(999_999.9) == "1,000,000"
    assert units.plain(1.0449) == "1.04"
    assert units.plain(None) == "–"


def test_shares_keep_digits_where_they_matter():
    assert units.share(0.0002) == "0.02%"
    assert units.share(0.23) == "23%"


def test_time_left_is_seconds_then_minutes():
    assert units.time_left(0) == "about 1 s left"
    assert units.time_left(80) == "about 80 s left"
    assert units.time_left(200) == "about 3 min left"
