from overlap.measure.profiles import with_placebos
from overlap.records.rows import Row


def row(name, skip=""):
    workload, case, backend = name.split("/")
    return Row(name, workload, case, backend, 1, "task", 1.0, skip)


def placebos(*rows):
    return {row.row: row.placebo_of for row in with_placebos(rows) if row.placebo_of}


def test_a_placebo_is_the_reference_under_another_name():
    rows = [row("gather/a/floor"), row("gather/a/sequential"), row("gather/a/coroutine:epoll")]
    placebo = with_placebos(rows)[-1]
    assert placebo.row == "gather/a/placebo" and placebo.backend == "placebo"
    assert placebo.measured_row == "gather/a/coroutine:epoll" and placebo.tasks == 1
    assert Row.from_record(placebo.to_record()) == placebo


def test_a_reference_that_cannot_run_is_passed_over():
    uring = row("gather/a/coroutine:uring", skip="not available: io_uring_setup: EPERM")
    assert placebos(uring, row("gather/a/sequential")) == {"gather/a/placebo": "sequential"}
    assert placebos(uring, row("gather/a/floor")) == {}


def test_every_case_of_every_workload_has_its_own():
    rows = [row(f"{case}/sequential") for case in ("gather/a", "gather/b", "echo/a")]
    assert placebos(*rows) == {
        f"{case}/placebo": "sequential" for case in ("gather/a", "gather/b", "echo/a")
    }
    assert [r.row for r in with_placebos(rows)][:2] == ["gather/a/sequential", "gather/a/placebo"]
