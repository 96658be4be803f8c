import pytest

from overlap.base.machine import ROOT
from overlap.project.include_rules import include_violations


def test_includes_of_this_project_point_down():
    assert include_violations(ROOT) == []


@pytest.fixture
def project(tmp_path):
    """Makes a project of the given files and returns what is wrong with it."""

    def make(**files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return include_violations(tmp_path)

    return make


@pytest.mark.parametrize(
    ("file", "include"),
    [
        ("runtimes/core/socket.hpp", "<overlap/core/error.hpp>"),
        ("runtimes/loops/uring.hpp", "<overlap/core/operation.hpp>"),
        ("runtimes/loops/uring.hpp", '"timer_wheel.hpp"'),
        ("runtimes/fiber/fiber.hpp", "<boost/context/fiber.hpp>"),
        ("runtimes/fiber/fiber_test.cpp", "<overlap/loops/poll.hpp>"),
        ("runtimes/fiber/testing/on_loop.hpp", "<overlap/loops/poll.hpp>"),
        ("runtimes/fiber/fiber_test.cpp", "<overlap/fiber/testing/on_loop.hpp>"),
        ("runtimes/conformance/loops_test.cpp", "<overlap/loops/uring.hpp>"),
        ("runtimes/example_loop/loop.hpp", "<overlap/conformance/violation.hpp>"),
        ("bench/workloads/gather/body.hpp", "<overlap/coroutine/coroutine.hpp>"),
        ("bench/workloads/gather/workload.cpp", '"body.hpp"'),
    ],
)
def test_these_may_be_included(project, file, include):
    assert project(**{file: f"#pragma once\n#include {include}\n"}) == []


@pytest.mark.parametrize(
    ("file", "include", "words"),
    [
        ("runtimes/core/socket.hpp", "<overlap/loops/poll.hpp>", "core must not include"),
        ("runtimes/loops/uring.hpp", "<overlap/fiber/fiber.hpp>", "it may include core"),
        ("runtimes/fiber/fiber.hpp", "<overlap/coroutine/task.hpp>", "fiber must not include"),
        ("runtimes/fiber/fiber.hpp", "<overlap/loops/poll.hpp>", "fiber must not include"),
        ("runtimes/fiber/fiber.hpp", '"../coroutine/task.hpp"', "fiber must not include"),
        ("runtimes/conformance/rules.hpp", "<overlap/loops/poll.hpp>", "conformance must not"),
        ("runtimes/example_loop/loop.hpp", "<overlap/loops/poll.hpp>", "it may include conf"),
        ("runtimes/fiber/fiber.hpp", "<overlap/fiber/testing/on_loop.hpp>", "only tests may"),
        (
            "runtimes/core/a_test.cpp",
            '"../../bench/workloads/gather/body.hpp"',
            "runtimes/ must not include",
        ),
        (
            "runtimes/floor/echo.hpp",
            "<overlap/../bench/workloads/gather/body.hpp>",
            "must not include",
        ),
    ],
)
def test_these_may_not(project, file, include, words):
    (violation,) = project(**{file: f"#pragma once\n\n  #  include {include}\n"})
    assert violation.startswith(f"{file}:3: ") and words in violation


def test_what_is_no_include_does_not_count(project):
    assert project(**{"runtimes/core/a.hpp": "// #include <overlap/loops/poll.hpp>\n"}) == []
    assert project(**{"runtimes/core/README.md": "#include <overlap/loops/poll.hpp>\n"}) == []
