"""Cases of echo at a rate, from the workload file to the row."""

import pytest
from harness.binaries import rows, run

CASE = "[echo.at_rate]\nconnections = 10\nmessages = 20\nbytes = 64\nrate = 1000\n"


@pytest.mark.parametrize("arrivals", ["", 'arrivals = "even"\n'])
def test_messages_come_at_the_rate_and_all_are_answered(tmp_path, arrivals):
    case = tmp_path / "case.toml"
    case.write_text(CASE + arrivals)
    found = rows("echo", case, "--backend=floor:epoll,coroutine:epoll,fiber:epoll")
    assert len(found) == 3
    for name, row in found.items():
        assert row.get("verified") == 1, (name, row.get("error_message"))
        assert row["offered_per_s"] == pytest.approx(1000)
        assert row["wall_s"] > 0.15, "200 messages are due in 0.2 s"
        # A machine that is busy with something else may make the load late; then it says so.
        assert ("latency_p50_s" in row) != ("label" in row)


def test_more_than_can_be_answered_is_told_in_words(tmp_path):
    case = tmp_path / "case.toml"
    case.write_text(CASE.replace("rate = 1000", "rate = 10_000_000").replace("20", "2000"))
    row = rows("echo", case, "--backend=coroutine:epoll")["echo/at_rate/coroutine:epoll"]
    assert row["label"].startswith("overloaded: answered ")
    assert row["verified"] == 1 and row["answered_share"] < 0.95
    assert not [name for name in row if name.startswith("latency_")]


def test_rates_that_take_too_long_are_not_tried(tmp_path):
    case = tmp_path / "case.toml"
    case.write_text(CASE.replace("rate = 1000", "rate = 1"))
    row = rows("echo", case, "--backend=coroutine:epoll")["echo/at_rate/coroutine:epoll"]
    assert row["error_message"] == "would take 200 s"


@pytest.mark.parametrize("rate", ["0", "-5", "1_000_000_000_000", "nan", "'much'"])
def test_rates_that_make_no_sense(tmp_path, rate):
    case = tmp_path / "case.toml"
    case.write_text(CASE.replace("1000", rate))
    done = run("echo", f"--workloads={case}")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"{case}:5: [echo.at_rate] rate = " in done.stderr
    assert "expected a whole number from 1 to 10000000" in done.stderr
