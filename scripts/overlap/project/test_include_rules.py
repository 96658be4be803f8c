import pytest

from overlap.base.machine import ROOT
from overlap.project.checks import tracked
from overlap.project.include_rules import (
    LONGEST_FILE,
    MOST_MODULES,
    import_violations,
    include_violations,
    long_files,
)


def test_includes_of_this_project_point_down():
    assert include_violations(ROOT) == []


def test_imports_of_the_scripts_point_down():
    assert import_violations(ROOT / "scripts" / "overlap") == []


def test_no_file_of_this_project_is_too_long():
    assert long_files(ROOT, tracked("*")) == []


def test_a_file_that_is_too_long_is_named(tmp_path):
    (tmp_path / "a.py").write_text("\n" * LONGEST_FILE)
    (tmp_path / "b.hpp").write_text("\n" * (LONGEST_FILE + 1))
    assert long_files(tmp_path, ["a.py", "b.hpp"]) == [
        f"b.hpp: {LONGEST_FILE + 1} lines, at most {LONGEST_FILE}"
    ]


def test_an_import_upwards_and_a_folder_that_is_too_large_are_named(tmp_path):
    for folder, text in (
        ("base", ""),
        ("records", "def f():\n    from overlap.judge.series import Series\n"),
        ("judge", "from overlap.records.rows import Row\nfrom overlap.testing import runs\n"),
        ("unheard_of", "from overlap.base import units\n"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
        (tmp_path / folder / "a.py").write_text(text)
        (tmp_path / folder / "test_a.py").write_text("from overlap.commands import run\n")
    for number in range(MOST_MODULES - 1):
        (tmp_path / "base" / f"more_{number}.py").touch()
    assert import_violations(tmp_path) == [
        f"base: {MOST_MODULES + 1} modules, at most {MOST_MODULES}",
        "judge/a.py: must not import overlap.testing",
        "records/a.py: must not import overlap.judge",
        "unheard_of/a.py: must not import overlap.base",
    ]


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
        ("runtimes/loops/uring.hpp", '"loop_base.hpp"'),
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
