"""Tasks that are cancelled: figures where a backend can, and words where it cannot."""

import pytest
from harness.binaries import rows, run


def test_who_can_cancel_has_figures_and_who_cannot_has_words(tmp_path):
    case = tmp_path / "case.toml"
    case.write_text("[cancel.many]\ntasks = 3000\niterations = 5\n")
    can = {
        f"{kind}:{loop}" for kind in ("coroutine", "fiber") for loop in ("uring", "epoll", "poll")
    }
    for name, row in rows("cancel", case).items():
        error = row.get("error_message", "")
        if error.startswith("not available: "):
            continue
        if name.split("/")[2] in can:
            assert row.get("verified") == 1, (name, error)
            assert 0 < row["cancel_per_task_s"] * 3000 < row["wall_s"]
            assert row["peak_in_flight"] == 3000
        else:
            assert error == "no workload: it cannot cancel a task and all that it waits for", name


@pytest.mark.parametrize("tasks", ["0", "-1", "1_000_000_000_000", "'many'"])
def test_numbers_of_tasks_that_make_no_sense(tmp_path, tasks):
    case = tmp_path / "case.toml"
    case.write_text(f"[cancel.wrong]\ntasks = {tasks}\n")
    done = run("cancel", f"--workloads={case}")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "expected a whole number from 1" in done.stderr
