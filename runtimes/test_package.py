"""What `cmake --install` installs, as a stranger uses it: a loop and a runtime of one's own, outside
the suite's tree.

Installed is the build directory that OVERLAP_BUILD names (build/release by default). The folders stay
the same from run to run, so that a compiler cache knows them.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUILD = Path(os.environ.get("OVERLAP_BUILD", ROOT / "build/release"))
HERE = ROOT / "build/test-package"
EXAMPLE = ROOT / "runtimes/example_loop"
NO_CALL_AT = """
#pragma once
#include <overlap/loops/poll.hpp>
namespace my {
struct loop : overlap::poll_loop {
    static constexpr std::string_view name() { return "mine"; }
    void call_at() = delete;
};
}
"""
A_RUNTIME = """
#pragma once
#include <overlap/sequential/sequential.hpp>
namespace my {
struct runtime : overlap::sequential {
    static const char* name() { return "mine"; }
};
}
"""


def run(*command, **settings):
    return subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=600,
        **settings,
    )


def must(*command, **settings):
    done = run(*command, **settings)
    assert done.returncode == 0, f"{command}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def installed():
    """The suite, moved after it was installed, to a folder with a space in its name."""
    shutil.rmtree(HERE, ignore_errors=True)
    must("cmake", "--install", BUILD, "--prefix", HERE / "first")
    return (HERE / "first").rename(HERE / "moved here")


def configure(installed, project, generator="Ninja"):
    return run(
        *("cmake", "-G", generator, "-S", project, "-B", project / "build"),
        f"-DCMAKE_PREFIX_PATH={installed}",
        *(
            [f"-DCMAKE_CXX_COMPILER_LAUNCHER={shutil.which('ccache')}"]
            * bool(shutil.which("ccache"))
        ),
    )


def make_project(installed, name, call, generator="Ninja", **headers):
    """A folder with the given headers and a CMakeLists.txt that makes one call; configured."""
    project = HERE / name
    project.mkdir()
    for header, text in headers.items():
        (project / f"{header}.hpp").write_text(text)
    (project / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(mine LANGUAGES C CXX)\n"
        f"find_package(overlap CONFIG REQUIRED)\n{call}\n"
    )
    return project, configure(installed, project, generator)


@pytest.fixture(scope="module")
def example(installed):
    """The build directory of the example, a copy of which is built against what is installed."""
    project = HERE / "example"
    shutil.copytree(installed / "share/overlap/example_loop", project)
    configured = configure(installed, project, "Unix Makefiles")
    assert configured.returncode == 0, configured.stderr
    targets = ["example", "example_conformance", "example_tour", "example_bench_sleeps"]
    must("cmake", "--build", project / "build", "-j2", "--target", *targets)
    return project / "build"


def rows(*command):
    """The rows that a benchmark binary measures, by name."""
    options = ["--benchmark_format=json", "--memory=off", "--benchmark_filter=sleeps/20_50ms"]
    measured = json.loads(must(*command, *options))["benchmarks"]
    return {row["name"].split("/iterations")[0]: row for row in measured}


def expect_example_rows(found):
    for backend in ("coroutine:example", "fiber:example"):
        row = found[f"sleeps/20_50ms/{backend}"]
        assert row["verified"] == 1, row
        assert row["concurrency"] > 10, "twenty sleeps at a time"


def test_what_is_installed_does_not_name_the_tree_it_came_from(installed):
    named = [
        str(path.relative_to(installed))
        for path in installed.rglob("*")
        if path.is_file() and bytes(ROOT) + b"/" in path.read_bytes()
    ]
    assert named == []


def test_headers_of_tests_are_not_installed(installed):
    folders = {path.parent.name for path in (installed / "include").rglob("*.hpp")}
    assert "refused" not in folders and "conformance" in folders
    tests = {path.name for path in (installed / "include").rglob("testing/*.hpp")}
    assert tests == {"on_loop.hpp", "tour.hpp"}


def test_the_example_has_about_a_hundred_lines_of_code():
    lines = (EXAMPLE / "example_loop.hpp").read_text().splitlines()
    assert 50 < sum(not re.match(r"\s*(//.*)?$", line) for line in lines) < 110


def test_the_example_keeps_every_rule_and_takes_the_tour(example):
    said = must("ctest", "--test-dir", example, "-E", "NOT_BUILT")
    conformance = set(re.findall(r"(example_conformance\.\w+) \.+ +Passed", said))
    ways = ("", "_through_table")
    assert conformance == {
        f"example_conformance.{subject}{way}"
        for subject in ("loop", "coroutine", "fiber")
        for way in ways
    }
    assert len(re.findall(r"example_tour\.\S+ \.+ +Passed", said)) == 13
    assert "100% tests passed" in said


def test_the_example_is_measured_compiled_in(example):
    found = rows(
        example / "example_bench_sleeps", "--backend=coroutine:example,fiber:example,floor"
    )
    expect_example_rows(found)
    assert found["sleeps/20_50ms/floor"]["verified"] == 1


def test_the_example_is_measured_as_a_shared_library(installed, example):
    backends = "--backend=coroutine:example,fiber:example"
    found = rows(installed / "bin/bench_sleeps", f"--loop={example}/example.so", backends)
    expect_example_rows(found)


def test_installed_binaries_find_their_workloads_and_the_load_generator(installed):
    command = [installed / "bin/bench_echo", "--backend=coroutine:poll", "--memory=off"]
    filters = ["--benchmark_filter=echo/1x64", "--benchmark_format=json", "--trace=off"]
    (row,) = json.loads(must(*command, *filters))["benchmarks"]
    assert row["verified"] == 1


def test_a_shared_library_is_checked_without_compiling_anything(installed, example):
    check = installed / "bin/overlap_check_loop"
    said = must(check, example / "example.so", "--filter", "required")
    assert said.count(" kept, 0 broken") == 3 and "BROKEN" not in said
    assert "\nfiber:example: " in said


def test_the_rules_that_the_readme_speaks_of_exist(installed, example):
    listed = must(installed / "bin/overlap_check_loop", example / "example.so", "--list")
    spoken_of = re.findall(r"`(required_\w+)`", (ROOT / "runtimes/README.md").read_text())
    assert spoken_of and set(spoken_of) <= set(listed.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "expected a shared library first"),
        (["--list"], "expected a shared library first"),
        (["/nonexistent.so"], "/nonexistent.so: cannot be loaded as a shared library"),
        ([EXAMPLE / "example_loop.hpp"], "cannot be loaded as a shared library"),
    ],
)
def test_what_is_no_plug_in_is_one_line(installed, arguments, words):
    done = run(installed / "bin/overlap_check_loop", *arguments)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and words in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("generator", "go_on"), [("Ninja", ["-k", "0"]), ("Unix Makefiles", ["-k"])]
)
def test_a_class_that_is_no_loop_is_one_error_that_names_the_call(
    installed, tmp_path, generator, go_on
):
    call = "overlap_add_loop(NAME mine HEADER my.hpp TYPE my::loop)"
    project, configured = make_project(installed, tmp_path.name, call, generator, my=NO_CALL_AT)
    assert configured.returncode == 0, configured.stderr
    done = run("cmake", "--build", project / "build", "-j2", "--", *go_on)
    said = done.stdout + done.stderr
    errors = [line for line in said.splitlines() if "error:" in line]
    assert len(errors) == 1, said
    assert errors[0].endswith(
        "the event loop has no call_at(timer_operation*, time_point) -> void: "
        "see overlap/core/event_loop.hpp"
    )
    assert "my::loop" in said


def test_a_runtime_of_ones_own_is_checked_and_measured(installed):
    call = "overlap_add_runtime(NAME mine HEADER my.hpp TYPE my::runtime)"
    project, configured = make_project(installed, "runtime", call, my=A_RUNTIME)
    assert configured.returncode == 0, configured.stderr
    build = project / "build"
    must("cmake", "--build", build, "-j2", "--target", "mine_conformance", "mine_bench_sleeps")
    assert "mine: " in must(build / "mine_conformance", "--list")
    assert "100% tests passed" in must("ctest", "--test-dir", build)
    found = rows(build / "mine_bench_sleeps", "--backend=mine,sequential")
    assert {name for name, row in found.items() if row["verified"] == 1} == {
        "sleeps/20_50ms/mine",
        "sleeps/20_50ms/sequential",
    }


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("overlap_add_loop(NAME my HEADER my.hpp)", "TYPE is missing"),
        ("overlap_add_loop(NAME my HEADER no.hpp TYPE my::loop)", "no.hpp does not exist"),
        ("overlap_add_loop(NAME my/loop HEADER my.hpp TYPE my::loop)", "expected letters"),
        ("overlap_add_runtime(NAME my HEADER my.hpp TYPE t LIBS x)", "unexpected 'LIBS;x'"),
        ("overlap_add_runtime(NAME my HEADER my.hpp TYPE t CORES 1)", "a number of cores, 2 to 64"),
        ("overlap_add_loop(NAME my HEADER my.hpp TYPE t CORES 2)", "unexpected 'CORES;2'"),
        ("find_package(overlap REQUIRED COMPONENTS sails)", "sails"),
    ],
)
def test_a_wrong_call_says_what_was_expected(installed, tmp_path, call, words):
    _, configured = make_project(installed, tmp_path.name, call, my=NO_CALL_AT)
    assert configured.returncode != 0
    assert words in " ".join(configured.stderr.split()), configured.stderr
