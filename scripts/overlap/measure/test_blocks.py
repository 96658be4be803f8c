from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overlap.measure.blocks import balanced_order, block_order, williams_design


@pytest.mark.parametrize("count", range(1, 14))
def test_a_williams_design_is_balanced(count):
    design = williams_design(count)
    times = 1 if count % 2 == 0 else 2
    assert len(design) == times * count
    places = Counter((place, name) for order in design for place, name in enumerate(order))
    assert set(places.values()) == {times} and len(places) == count * count
    follows = Counter(pair for order in design for pair in pairwise(order))
    assert len(follows) == count * (count - 1)
    assert set(follows.values()) <= {times}


@given(st.integers(1, 9), st.integers(0, 2**32), st.integers(0, 30))
def test_over_as_many_blocks_as_names_every_name_has_every_place(count, seed, first):
    names = [f"backend {number}" for number in range(count)]
    start = first * count
    orders = [balanced_order(names, start + block, f"{seed}") for block in range(count)]
    for place in range(count):
        assert sorted(order[place] for order in orders) == names


@given(
    st.dictionaries(st.sampled_from("abcdefg"), st.integers(1, 6), min_size=1),
    st.integers(0, 2**32),
    st.integers(0, 20),
)
def test_a_block_holds_every_row_once_with_cases_together(cases, seed, block):
    rows = [(f"{case}/{number}", case) for case, count in cases.items() for number in range(count)]
    order = block_order(rows, block, seed)
    assert sorted(order) == sorted(row for row, _ in rows)
    assert len([1 for a, b in pairwise(order) if a[0] != b[0]]) == len(cases) - 1


def test_the_order_follows_from_the_seed():
    rows = [(f"{case}/{number}", case) for case in "abc" for number in range(5)]
    orders = [block_order(rows, block, 1) for block in range(5)]
    assert orders == [block_order(rows, block, 1) for block in range(5)]
    assert orders != [block_order(rows, block, 2) for block in range(5)]
    assert len({tuple(order) for order in orders}) == 5


def test_no_rows_make_an_empty_block():
    assert block_order([], 0, 1) == []
