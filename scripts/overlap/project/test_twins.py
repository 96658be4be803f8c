import pytest

from overlap.project import twins

STACKLESS = """\
template <stackless_runtime Runtime, class Body>
task<std::vector<task_result<Body>>> sleep_all(Runtime& runtime, task<std::pair<int, int>> pair) {
    const auto late = (co_await runtime.sleep_until(deadline)).count();  // Never early.
    co_await runtime.yield();
    co_return co_await gather(late, pair->first >> 2, "co_await");
}
"""
DIRECT = """\
template <direct_runtime Runtime, class Body>
std::vector<task_result<Body>> sleep_all(Runtime& runtime, std::pair<int, int> pair) {
    const auto late = (runtime.sleep_until(deadline)).count();
    runtime.yield();
    return gather(
        late, pair->first >> 2, "co_await");
}
"""


def twins_of(text, tmp_path, capsys):
    """The exit code of the command on a file with this text, and what it printed."""
    file = tmp_path / "workload.hpp"
    file.write_text(text)
    status = twins.main([str(file)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


@pytest.mark.parametrize(
    "between", ["", "\n", "\n/// The direct twin.\n", "// One comment,\n// two lines.\n\n"]
)
def test_twins_are_proved(tmp_path, capsys, between):
    status, out, err = twins_of(f"#pragma once\n\n{STACKLESS}{between}{DIRECT}", tmp_path, capsys)
    assert status == 0 and err == ""
    assert out.endswith("workload.hpp:3: sleep_all equals its direct twin\n")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("runtime.yield();", ""),
        ("late, pair", "late + 1, pair"),
        ('"co_await"', '"await"'),
        ("std::vector<task_result<Body>>", "std::vector<task<Body>>"),
        ("direct_runtime Runtime, class", "direct_runtime Runtime, typename"),
    ],
)
def test_a_difference_is_shown(tmp_path, capsys, right, wrong):
    assert right in DIRECT
    status, out, err = twins_of(STACKLESS + DIRECT.replace(right, wrong), tmp_path, capsys)
    assert status == 1 and out == ""
    assert "workload.hpp:7: sleep_all differs" in err
    removed = [line for line in err.splitlines() if line.startswith("-") and "---" not in line]
    assert removed


def test_two_pairs_are_both_proved(tmp_path, capsys):
    second = [text.replace("sleep_all", "echo_all") for text in (STACKLESS, DIRECT)]
    status, out, _ = twins_of(STACKLESS + DIRECT + "".join(second), tmp_path, capsys)
    assert status == 0 and len(out.splitlines()) == 2 and "echo_all equals" in out


@pytest.mark.parametrize("after", ["", "\nint between();\n" + DIRECT, STACKLESS + DIRECT])
def test_a_twin_must_follow_at_once(tmp_path, capsys, after):
    status, _, err = twins_of(STACKLESS + after, tmp_path, capsys)
    assert status == 1 and "1: sleep_all has no direct twin right below it" in err


def test_a_body_must_end(tmp_path, capsys):
    status, _, err = twins_of(STACKLESS.replace("\n}", "\n    }"), tmp_path, capsys)
    assert status == 1 and "no } in the first column ends this template" in err


def test_a_file_without_a_pair_proves_nothing(tmp_path, capsys):
    status, _, err = twins_of("#pragma once\n", tmp_path, capsys)
    assert status == 1 and "nothing to prove" in err
    assert twins.main([str(tmp_path / "absent.hpp")]) == 1
    assert "No such file" in capsys.readouterr().err


def test_one_bad_file_does_not_hide_the_others(tmp_path, capsys):
    good = tmp_path / "good.hpp"
    good.write_text(STACKLESS + DIRECT)
    assert twins.main([str(tmp_path / "absent.hpp"), str(good)]) == 1
    assert "sleep_all equals its direct twin" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("stackless", "direct"),
    [
        ("task<void> f()", "void f()"),
        ("task<task<int>> f()", "int f()"),
        ("task<decltype(a->b)> f()", "decltype(a->b) f()"),
        ("my_task<int> f()", "my_task<int> f()"),
        ("task<array<int, (2 > 1)>> f()", "array<int, (2 > 1)> f()"),
        ("co_return;", "return;"),
    ],
)
def test_how_the_direct_text_is_made(stackless, direct):
    made = twins.direct_tokens(twins.tokens_of(stackless))
    assert made == twins.tokens_of(direct)
