"""scripts/run against fake binaries: whole runs, and what ends them."""

import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path

import pytest

from overlap.base.units import in_blocks
from overlap.base.machine import ROOT
from overlap.commands.run import main
from overlap.measure import samples
from overlap.measure.announcement import announcement
from overlap.measure.costs import Costs
from overlap.testing.runs import QUICKLY, ROWS, Runner
from overlap.measure.profiles import read_profiles
from overlap.measure.suite import WORKLOADS
from overlap.measure.syscalls import why_no_syscalls
from overlap.show.heads import head_line
from overlap.records.files import read_records
from overlap.testing.record_schema import faults_of_file
from overlap.measure.test_samples import wait_until


@pytest.fixture
def runner(tmp_path):
    return lambda rows=ROWS: Runner(tmp_path, rows)


def test_a_run_prints_a_table_a_workload_and_keeps_its_records(runner):
    run = runner()
    result = run(*QUICKLY)
    assert result.returncode == 0, result.stderr
    for workload in ("sleeps", "gather", "echo"):
        assert f"\n{workload} " in result.stdout
    assert "2 blocks (quick)" in result.stdout and "\x1b" not in result.stdout
    assert "records: " in result.stderr
    assert faults_of_file(run.output) == []

    records = read_records(run.output)
    assert len(records.samples) == 2 * len(ROWS)
    assert records.head["seed"] == 1 and records.head["blocks"] == 2
    assert records.head["specification"]["text"] == "# some workloads\n"
    assert set(records.head["binaries"]) == set(WORKLOADS)
    assert records.context["compiler"] == "g++ 12"
    first = records.samples[0]
    assert {"row", "workload", "case", "backend", "block", "position", "attempt"} <= set(first)
    assert {"started", "duration_s", "counters", "contamination"} <= set(first)


def test_only_the_first_blocks_are_traced(runner):
    run = runner(["gather/count/x"])
    traced = read_profiles()["quick"].traced
    assert run(*QUICKLY, "--blocks", traced + 1, "--loop", "uring").returncode == 0
    blocks = run.suite.options_of("gather/count/x")
    common = {"benchmark_format": "json", "row_timeout": "5", "loop": "uring"}
    whole = {"benchmark_filter": "^gather/count/x$", **common}
    light = {**whole, "memory": "off"}
    assert blocks == [whole, *[light] * (traced - 1), {**light, "trace": "off"}]
    also = [sample.get("also", []) for sample in run.samples()]
    assert also == [["trace", "memory"], *[["trace"]] * (traced - 1), []]


def test_smoke_is_three_blocks(runner):
    run = runner()
    assert run("--profile", "smoke", "--no-repeats").returncode == 0
    assert len(run.samples()) == 3 * len(ROWS)


def test_every_case_with_a_reference_has_a_placebo(runner):
    run = runner([*ROWS, "gather/count/sequential", "gather/count/coroutine:poll"])
    result = run(*QUICKLY, "-v")
    assert result.returncode == 0, result.stderr
    placebos = [sample for sample in run.samples() if sample["backend"] == "placebo"]
    assert {sample["row"] for sample in placebos} == {"gather/count/placebo"}
    assert {sample["placebo_of"] for sample in placebos} == {"coroutine:poll"}
    assert faults_of_file(run.output) == []
    assert len(run.suite.options_of("gather/count/coroutine:poll")) == 4
    assert "coroutine:poll once more under another name" in result.stdout


def test_a_run_says_first_what_it_will_do(runner):
    rows = [*ROWS, ("gather/ok/process", "would take 500 s"), "gather/ok/sequential"]
    rows.append("sleeps/three_1s/sequential")
    run = runner(rows)
    plan = run("--plan")
    assert plan.returncode == 0 and not run.output.exists()
    assert plan.stdout.startswith("quick: 9 blocks of 7 rows in 3 cases, ")
    assert "gather/ok process: would take 500 s" in plan.stdout
    assert "sleeps/three_1s sequential: left out of quick: a sample takes a second" in plan.stdout
    assert "placebo: sequential" in plan.stdout
    whole = run(*QUICKLY)
    assert "quick: 2 blocks of 7 rows in 3 cases" in whole.stderr
    assert "\n  process " in whole.stdout and "\nthree_1s: 1 left out\n" in whole.stdout
    assert "left out of quick: a sample" not in whole.stdout + whole.stderr
    assert "left out of quick: a sample" in run("--from", run.output, "-v").stdout
    assert run("--plan", "--resume").stdout.startswith("0 samples to take")
    assert "14 samples to take" in run("--plan", "--resume", "--blocks", "4").stdout


def test_a_slow_row_is_in_fewer_blocks_and_tables_say_why(runner):
    run = runner(["gather/count/x", "gather/count/slow", "gather/count/sequential"])
    result = run(*QUICKLY, "--blocks", "4", "-v")
    assert result.returncode == 0, result.stderr
    (rule,) = read_profiles()["quick"].slow
    assert len(run.suite.options_of("gather/count/slow")) == rule.blocks < 4
    assert len(run.suite.options_of("gather/count/x")) == 4
    note = f"gather/count/slow: in {in_blocks(rule.blocks)} only: a sample takes 7.00 s"
    assert note in result.stdout
    assert faults_of_file(run.output) == []
    again = run("--from", run.output, "-v")
    assert note in again.stdout and again.stdout == result.stdout
    assert "1 row was measured in fewer blocks" in run("--from", run.output).stdout
    assert "0 samples to take" in run("--resume", "--plan").stdout
    assert "9 samples to take" in run("--resume", "--plan", "--blocks", "7").stdout
    assert run.samples()[0]["counters"]["sample_s"] in (0.6, 7.0)


def test_a_plan_foresees_slow_rows(runner):
    run = runner(["gather/count/slow", "gather/count/sequential"])
    assert run(*QUICKLY, "--blocks", "1").returncode == 0
    records = read_records(run.output)
    for record in records.head["rows"]:
        record["expected_s"] = 7.0 if record["backend"] == "slow" else 0.5
    lines = list(announcement({**records.head, "blocks": 12}, Costs()))
    assert "  gather/count slow: 1 block: a sample takes 7.00 s" in lines
    assert not any("cgroup" in line for line in lines)
    records.head["machine"] |= {"cores": 2, "cgroup_cpus": 1.5}
    lines = list(announcement({**records.head, "blocks": 12}, Costs()))
    assert "CPU time held to 1.5 cores by a cgroup: ./scripts/doctor says what that costs" in lines
    assert "CPU time held to 1.5 cores by a cgroup" in head_line(records)


def test_a_build_needs_only_the_binaries_of_the_rows_that_are_asked_for(runner):
    run = runner(ROWS)
    (run.suite.directory / "bench" / "bench_echo").unlink()
    whole = run(*QUICKLY)
    assert whole.returncode == 2 and "bench_echo: No such file" in whole.stderr
    part = run(*QUICKLY, "--filter", "^gather/")
    assert part.returncode == 0, part.stderr
    assert "has no bench_echo: their rows are left out" in part.stderr
    assert {sample["workload"] for sample in run.samples()} == {"gather"}


def test_what_a_profile_leaves_out_must_be_asked_for(runner):
    run = runner([*ROWS, "sleeps/three_1s/floor"])
    refused = run(*QUICKLY, "--filter", "three_1s")
    assert refused.returncode == 2 and "--profile standard" in refused.stderr
    assert run(*QUICKLY, "--filter", "three_1s", "--profile", "standard", "--plan").returncode == 0


def test_the_binaries_run_each_case_on_the_cores_they_are_told(runner):
    run = runner(["gather/flaky/floor"])
    assert run(*QUICKLY, "--cores", "1,all").returncode == 0
    tries = (run.suite.directory / "gather_flaky_floor.tries").read_text().splitlines()
    assert {json.loads(each)["cores"] for each in tries} == {"1,all"}
    assert read_records(run.output).head["cores"] == "1,all"
    assert run("--resume").returncode == 0


def test_a_filter_chooses_rows(runner):
    run = runner()
    assert run(*QUICKLY, "--filter", "^gather/.*/x$").returncode == 0
    assert {sample["row"] for sample in run.samples()} == {"gather/ok/x"}


def test_filters_by_workload_case_and_backend_go_together(runner):
    run = runner([*ROWS, "gather/count/x"])
    chosen = ("--workload", "gather,echo", "--case", "ok", "--backend", "x,floor:uring")
    assert run(*QUICKLY, *chosen).returncode == 0
    assert {sample["row"] for sample in run.samples()} == {"gather/ok/x", "echo/ok/floor:uring"}
    assert run("--resume", "--backend", "floor").returncode == 2


def test_rows_that_fail_leave_the_others_intact(runner):
    run = runner([*ROWS, "gather/limit/x", "gather/hang/x", "gather/broken/x", "gather/flaky/x"])
    result = run("--blocks", "3", "--row-timeout", "0.2", "--no-repeats")
    assert result.returncode == 1
    by_row = {}
    for sample in run.samples():
        by_row.setdefault(sample["row"], []).append(sample.get("error", "").split(":")[0])
    assert by_row.pop("gather/limit/x") == ["limit"]
    assert by_row.pop("gather/hang/x") == ["timeout"]
    assert by_row.pop("gather/broken/x") == ["crashed"] * 2
    assert by_row.pop("gather/flaky/x") == ["crashed", "", "", ""]
    assert by_row == {row: ["", "", ""] for row in ROWS}
    assert "timeout: no answer within 1.8 s" in result.stdout
    assert "limit: 20,000 descriptors" in result.stdout


def test_limits_are_no_failure_but_nothing_measured_is(runner):
    run = runner(["gather/ok/x", "gather/limit/x"])
    assert run(*QUICKLY).returncode == 0
    run.output.unlink()
    assert run(*QUICKLY, "--filter", "limit").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--filter", "("], "is no regular expression"),
        (["--filter", "nothing"], "matches no row; --list prints all of them"),
        (["--loop", "nonsense"], "unknown loop nonsense; known: uring, epoll, poll"),
        (["--workloads", "/nonexistent/workloads.toml"], "No such file or directory"),
        (["--build", "/nonexistent"], "bench_sleeps: No such file or directory"),
        (["--blocks", "0"], "0 is not a number from 1 on"),
        (["--blocks", "9" * 5000], f"{'9' * 30} is more than 1,000,000"),
        (["--filter", "a{99999999999999999999}"], "the repetition number is too large"),
        (["--filter", "(" * 3000 + ")" * 3000], "is nested too deep for a regular expression"),
        (["--row-timeout", "nan"], "nan is not a positive number of seconds"),
        (["--profile", "eternal"], "expected one of smoke, quick, peers, curves, standard, report"),
        (["--backend", "nobody"], "no backend 'nobody'; expected floor, "),
        (["--from", "/nonexistent/run.jsonl"], "No such file or directory"),
        (["--resume"], "No such file or directory"),
    ],
)
def test_wrong_usage_is_one_clear_line(runner, arguments, words):
    run = runner()
    result = run(*arguments)
    assert result.returncode == 2 and result.stdout == ""
    assert words in result.stderr.splitlines()[-1] and "Traceback" not in result.stderr
    assert not run.output.exists()


def test_who_looks_for_the_loop_of_a_broken_plugin_is_told_why_it_is_not_there(runner):
    words = "./libmy.so: is no plug-in: it exports no function overlap_loop"
    run = runner(["gather/ok/x", ("gather/ok/coroutine:libmy", f"not available: {words}")])
    for choice in (["--filter", ":mine"], ["--backend", "coroutine:mine"]):
        result = run("--loop", "./libmy.so", *choice)
        assert result.returncode == 2 and words in result.stderr.splitlines()[-1]
        assert words not in run(*choice).stderr


def test_a_binary_that_was_asked_wrongly_stops_the_run(runner):
    run = runner(["gather/usage/x"])
    result = run(*QUICKLY)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1] == (
        "scripts/run: workloads.toml:3: delay: expected a number"
    )


def test_an_existing_file_is_not_overwritten(runner):
    run = runner()
    run.output.write_text("precious")
    result = run(*QUICKLY)
    assert result.returncode == 2 and "--resume" in result.stderr
    assert run.output.read_text() == "precious"


def test_list_names_rows_and_why_some_cannot_run(runner):
    run = runner([*ROWS, ("gather/ok/process", "would take 500 s")])
    result = run("--list")
    assert result.returncode == 0 and not run.output.exists()
    lines = result.stdout.splitlines()
    assert len(lines) == len(ROWS) + 1 and "gather/ok/process    would take 500 s" in lines


def test_a_reader_that_has_seen_enough_is_no_error(runner):
    run = runner([f"gather/ok/{number}" for number in range(5000)])
    process = run.start("--list")
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait() == 141


def test_tables_of_an_existing_file_are_the_same_byte_for_byte(runner):
    run = runner()
    first = run(*QUICKLY, "--format", "markdown")
    again = run("--from", run.output, "--format", "markdown")
    assert again.returncode == 0 and again.stdout == first.stdout != ""
    assert again.stderr == ""
    some = run("--from", run.output, "--format", "markdown", "--filter", "nothing is called so")
    assert some.returncode == 0 and "| case |" not in some.stdout
    bad = run("--from", run.output, "--filter", "(")
    assert bad.returncode == 2 and "is no regular expression" in bad.stderr


def test_unlike_runs_are_not_mixed(runner):
    run = runner()
    run(*QUICKLY)
    before = run.output.read_bytes()

    def refusal(*arguments):
        result = run("--resume", *arguments)
        assert result.returncode == 2 and run.output.read_bytes() == before
        return result.stderr.splitlines()[-1]

    assert "--profile was quick, now smoke" in refusal("--profile", "smoke")
    assert "--loop was not given, now epoll" in refusal("--loop", "epoll")
    assert "--row-timeout was 5.0, now 7.0" in refusal("--row-timeout", "7")
    specification = run.suite.directory / "workloads.toml"
    text = specification.read_text()
    specification.write_text(text + "# another case\n")
    assert "the specification has changed" in refusal()
    specification.write_text(text)
    binary = run.suite.directory / "bench" / "bench_gather"
    binary.write_text(binary.read_text() + "# rebuilt\n")
    assert "the binaries have changed" in refusal()


def test_two_runs_at_once_are_refused(runner):
    run = runner(["gather/hang/x"])
    process = run.start(*QUICKLY)
    assert wait_until((run.suite.directory / "hanging").exists)
    second = run("--output", f"{run.output}.second")
    assert second.returncode == 2 and "another run is measuring" in second.stderr
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)


def test_a_killed_run_leaves_no_binary_measuring(runner):
    run = runner(["gather/hang/x"])
    process = run.start(*QUICKLY)
    hanging = run.suite.directory / "hanging"
    assert wait_until(lambda: hanging.exists() and hanging.read_text())
    started_by_binary = int(hanging.read_text())
    status = Path(f"/proc/{started_by_binary}/stat").read_text()
    binary = int(status.rpartition(")")[2].split()[1])
    process.kill()
    process.communicate(timeout=30)

    def has_ended():
        try:  # Whose child it has become may take its time to ask how.
            return Path(f"/proc/{binary}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    assert wait_until(has_ended)
    os.kill(started_by_binary, signal.SIGKILL)  # The suite's own binaries end theirs.


def run_on_a_terminal(run, *arguments, **environment):
    """What the command writes to a terminal, its progress included."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        run.command(*arguments),
        stdout=theirs,
        stderr=theirs,
        env=run.environment() | {"TERM": "xterm-256color", "COLUMNS": "150"} | environment,
    )
    os.close(theirs)
    chunks = []
    try:
        while chunk := os.read(ours, 65536):
            chunks.append(chunk)
    except OSError:  # How Linux says that the other end of a terminal is closed.
        pass
    os.close(ours)
    assert process.wait() == 0
    return b"".join(chunks).decode()


def test_a_terminal_shows_what_is_running_and_how_long_it_takes(runner):
    text = run_on_a_terminal(runner(), *QUICKLY)
    assert "block 1/2 gather/ok/floor" in text and "block 2/2" in text
    assert "9/10" in text and " left" in text and "✓" in text


def colours_in(text):
    """Escape sequences that set a colour, rather than bold type or the cursor's place."""
    return re.findall(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7])(?:;\d+)*m", text)


def test_no_color_is_honoured(runner):
    run = runner()
    assert colours_in(run_on_a_terminal(run, *QUICKLY))
    run.output.unlink()
    assert not colours_in(run_on_a_terminal(run, *QUICKLY, NO_COLOR="1"))


def test_elsewhere_progress_is_a_plain_line(runner):
    result = runner()(*QUICKLY)
    assert re.search("^0/10 samples, about ", result.stderr, re.M) and "\x1b" not in result.stderr


def test_the_head_record_comes_first_and_contexts_once(runner):
    run = runner()
    run(*QUICKLY)
    kinds = [json.loads(line)["kind"] for line in run.output.read_text().splitlines()]
    assert kinds[0] == "head" and kinds.count("head") == 1
    assert kinds.count("context") == 3 and kinds.count("sample") == 2 * len(ROWS)


@pytest.mark.skipif(bool(why_no_syscalls()), reason=why_no_syscalls())
def test_system_calls_are_counted_in_the_first_block(runner):
    run = runner(["gather/ok/sequential"])
    (run.suite.directory / "workloads.toml").write_text("[gather.ok]\niterations = 1\n")
    assert run(*QUICKLY).returncode == 0
    first, *others = [s for s in run.samples() if s["backend"] != "placebo"]
    assert first["also"] == ["trace", "memory", "syscalls"]
    assert first["counters"]["syscalls_per_task"] == pytest.approx(2, abs=0.1)
    placebos = [s for s in run.samples() if s["backend"] == "placebo"]
    assert not any("syscalls_per_task" in s["counters"] for s in [*others, *placebos])


def test_a_run_without_perf_says_so_and_goes_on(runner):
    run = runner()
    environment = run.environment() | {"PATH": "/nonexistent"}
    result = subprocess.run(
        run.command(*QUICKLY), capture_output=True, text=True, env=environment, check=True
    )
    assert "system calls are not counted: perf is not installed" in result.stderr
    assert read_records(run.output).head["also"]["syscalls"] == 0


def test_what_the_machine_disturbed_is_run_again_and_says_so(runner, monkeypatch, capsys):
    run = runner(["gather/ok/x", "gather/ok/sequential"])
    disturbed = {"steal_share": 0.5, "foreign_cpu_share": 0.0, "dirty": True}
    monkeypatch.setattr(samples, "contamination", lambda *_: disturbed)
    status = main([*run.command("--blocks", "6", "--row-timeout", "5")[3:]])
    assert status == 0 and "100% of 21 samples contaminated" in capsys.readouterr().out
    again = [sample for sample in run.samples() if "repeats_block" in sample]
    assert {sample["backend"] for sample in again} == {"x", "sequential", "placebo"}
    assert {(sample["block"], sample["repeats_block"]) for sample in again} == {(6, 0)}
    assert not any("also" in sample for sample in again)
    assert faults_of_file(run.output) == []


def test_tables_end_with_the_answer_in_sentences(capsys):
    cores = ROOT / "results" / "epyc_2_cores" / "cores.jsonl.gz"
    assert main(["--from", str(cores)]) == 0
    answer = capsys.readouterr().out.rpartition("\n\n")[2]
    assert answer.startswith("Waiting: by ")
    assert "\nComputing: by time " in answer and max(map(len, answer.splitlines())) <= 100
    assert main(["--from", str(cores), "--format", "markdown"]) == 0
    assert "Computing: by time" not in capsys.readouterr().out
