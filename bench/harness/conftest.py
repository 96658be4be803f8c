"""What the tests of the benchmark binaries share."""

import pytest
from harness.binaries import FEW


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(FEW + "[gather.tree]\nfan_out = 3\ndepth = 3\n")
    return path
