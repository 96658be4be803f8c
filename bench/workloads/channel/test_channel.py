"""Cases of channel, from the workload file to the row."""

import pytest
from harness.binaries import rows, run

CASE = "[channel.small]\nproducers = 2\nconsumers = 2\nelements = 500\ncapacity = 1\n"


def test_who_has_no_channel_says_so_and_the_others_pass_elements_on(tmp_path):
    case = tmp_path / "case.toml"
    case.write_text(CASE)
    found = rows(
        "channel", case, "--backend=sequential,coroutine:epoll,fiber:epoll,thread_per_task"
    )
    assert found.pop("channel/small/sequential")["error_message"].startswith("no workload: ")
    for name, row in found.items():
        assert row.get("verified") == 1, (name, row.get("error_message"))
        assert row["gap_max_s"] > 0, "with room for one element producers have to wait"


@pytest.mark.parametrize("capacity", ["0", "-1", "1.5", "'many'"])
def test_capacities_that_make_no_sense(tmp_path, capacity):
    case = tmp_path / "case.toml"
    case.write_text(CASE.replace("capacity = 1", f"capacity = {capacity}"))
    done = run("channel", f"--workloads={case}")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"{case}:5: [channel.small] capacity = " in done.stderr
    assert "expected a whole number from 1 to 1000000" in done.stderr
