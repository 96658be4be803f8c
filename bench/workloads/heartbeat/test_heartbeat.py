"""Cases of heartbeat at the edge of what they may be."""

import pytest
from harness.binaries import rows


@pytest.mark.parametrize(
    "keys", ["beats = 1", "beats = 1\nparts = 3", "beats = 2\nwork = 0\nparts = 3"]
)
def test_a_case_that_looks_like_its_own_warm_up_is_checked_as_itself(tmp_path, keys):
    case = tmp_path / "edge.toml"
    work = "" if "work" in keys else "work = 1000\n"
    case.write_text(f"[heartbeat.edge]\ntasks = 2\ninterval_s = 0.001\n{work}{keys}\n")
    found = rows("heartbeat", case, "--benchmark_filter=edge/(coroutine:epoll|thread_pool)$")
    assert len(found) == 2
    for name, row in found.items():
        assert row.get("verified") == 1, (name, row.get("error_message"))
