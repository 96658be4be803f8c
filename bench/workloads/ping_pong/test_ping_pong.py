"""Cases of ping_pong, from the workload file to the row."""

import pytest
from harness.binaries import rows, run

CASE = "[ping_pong.small]\npairs = 5\nrounds = 300\n"


def test_who_makes_channels_has_a_figure_for_each_wake_up_and_the_others_have_words(tmp_path):
    case = tmp_path / "case.toml"
    case.write_text(CASE)
    names = ["coroutine:epoll", "fiber:epoll", "sharded_coroutine:epoll"]
    names += ["stealing_coroutine:epoll", "thread_per_task"]
    without = ["sequential", "process_per_task"]
    found = rows("ping_pong", case, f"--backend={','.join(names + without)}")
    for name in names:
        row = found[f"ping_pong/small/{name}"]
        assert row.get("verified") == 1, (name, row.get("error_message"))
        assert 0 < row["peak_in_flight"] <= 15
    for name in without:
        words = found[f"ping_pong/small/{name}"]["error_message"]
        assert words == "no workload: the runtime has no channel between any two of its tasks"


@pytest.mark.parametrize(
    "line, wrong",
    [("pairs = 5", "pairs = 0"), ("rounds = 300", "rounds = -1"), ("rounds = 300", "rounds = 'm'")],
)
def test_numbers_that_make_no_sense(tmp_path, line, wrong):
    case = tmp_path / "case.toml"
    case.write_text(CASE.replace(line, wrong))
    done = run("ping_pong", f"--workloads={case}")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "expected a whole number from 1" in done.stderr
