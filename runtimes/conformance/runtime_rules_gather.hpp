// Rules of every runtime: what a gather returns and throws, and that all tasks run.
#pragma once

#include <overlap/conformance/runtime_tasks.hpp>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

namespace overlap::conformance {

template <any_runtime Runtime>
void required_results_come_in_the_order_of_the_tasks() {
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    std::size_t largest = 300;
    for (const std::size_t n : {0U, 1U, 2U, 3U, 300U, 100'000U}) {
        // Some runtimes make a thread or process for each task, and would take minutes.
        if (n > largest) break;
        const auto begin = std::chrono::steady_clock::now();
        const auto results = run_root(runtime, [&] { return gather_squares(runtime, n); });
        const auto spent = std::chrono::steady_clock::now() - begin;
        if (n == largest && spent < std::chrono::milliseconds(3)) largest = 100'000;
        expect_equal(results.size(), n, "results of a gather");
        for (std::size_t index = 0; index < n; ++index) {
            expect_equal(results[index], index * index, text("result ", index, " of ", n));
        }
    }
}

template <any_runtime Runtime>
void required_results_may_be_of_any_portable_type() {
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    const auto truths = run_root(runtime, [&] { return gather_parities(runtime, 100); });
    const auto texts = run_root(runtime, [&] { return gather_texts(runtime, 100); });
    expect_equal(truths.size(), 100U, "results of type bool");
    expect_equal(texts.size(), 100U, "results of a type without default constructor");
    for (std::size_t index = 0; index < 100; ++index) {
        expect_equal(truths[index], index % 2 == 1, text("truth ", index));
        expect_equal(std::string(texts[index].data()), std::to_string(index), "text");
    }
}

template <any_runtime Runtime>
void required_tasks_without_results_run_once_each() {
    constexpr std::size_t n = 300;
    const shared_counts counts(n);
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    run_root(runtime, [&] { return gather_counts(runtime, n, counts.data()); });
    counts.expect_all(1);
}

template <any_runtime Runtime>
void required_gathers_nest() {
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    constexpr std::size_t depth = 3;
    constexpr std::size_t leaves = 64;  // Four children a level.
    const auto sum = run_root(runtime, [&] { return sum_of_leaves(runtime, depth, 0); });
    expect_equal(sum, leaves * (leaves - 1) / 2, "sum of the leaves of a tree of gathers");
}

/// Runs `gather` and returns the what() of the exception that it throws; a violation if it returns.
template <class Gather>
std::string failure_of(Gather gather) {
    try {
        gather();
    } catch (const std::exception& failure) {
        return failure.what();
    }
    throw violation("gather returned", "the exception of a task");
}

template <any_runtime Runtime>
void required_all_tasks_run_although_some_throw() {
    constexpr std::size_t n = 200;
    const shared_counts counts(n);
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    failure_of([&] {
        run_root(runtime, [&] { return gather_with_failures(runtime, n, counts.data()); });
    });
    counts.expect_all(1);
}

template <any_runtime Runtime>
void required_lowest_index_is_thrown_even_when_it_throws_last() {
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    const std::string failure =
        failure_of([&] { run_root(runtime, [&] { return gather_late_failures(runtime, 4); }); });
    expect_equal(failure, "task 0", "exception of gather");
}

template <any_runtime Runtime>
void required_gather_ends_after_all_its_tasks() {
    constexpr std::size_t n = 5;
    const shared_counts counts(n);
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    failure_of(
        [&] { run_root(runtime, [&] { return gather_stragglers(runtime, n, counts.data()); }); });
    counts.expect_all(1);
}

template <any_runtime Runtime>
void required_failure_of_a_nested_gather_reaches_the_outer_one() {
    const shared_counts counts(10);
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    const std::string failure = failure_of([&] {
        run_root(runtime, [&] { return gather_nested_failures(runtime, 3, counts.data()); });
    });
    expect_equal(failure, "task 7", "exception of the outer gather");
}

template <any_runtime Runtime>
void required_system_errors_keep_their_code() {
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    const std::system_error thrown(ENOENT, std::generic_category(), "no such thing");
    try {
        run_root(runtime, [&] { return gather_system_errors(runtime, 3); });
    } catch (const std::system_error& failure) {
        expect_equal(failure.code(), thrown.code(), "code of the exception");
        expect_equal(std::string(failure.what()), thrown.what(), "text of the exception");
        return;
    }
    throw violation("gather returned", "std::system_error");
}

template <any_runtime Runtime>
void required_gather_works_after_a_failed_one() {
    const shared_counts counts(50);
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    for (int round = 0; round < 3; ++round) {
        failure_of([&] {
            run_root(runtime, [&] { return gather_with_failures(runtime, 50, counts.data()); });
        });
        const auto results = run_root(runtime, [&] { return gather_squares(runtime, 50); });
        expect_equal(results.back(), 49U * 49U, "last result after a failed gather");
    }
}

template <any_runtime Runtime>
void required_run_returns_what_the_root_returns() {
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    expect_equal(run_root(runtime, [&] { return square_of(runtime, 6); }), 36U, "result of run");
    const auto owned = run_root(runtime, [&] { return own(runtime, 3); });
    expect_equal(*owned, 3, "result of run that cannot be copied");
    bool ran = false;
    run_root(runtime, [&] { return set(runtime, ran); });
    expect(ran, "a root that returns nothing did not run", "run() runs it");
}

template <any_runtime Runtime>
void required_run_throws_what_the_root_throws() {
    fresh<Runtime> made;
    Runtime& runtime = made.runtime;
    try {
        run_root(runtime, [&] { return throw_out_of_range(runtime, "root"); });
    } catch (const std::out_of_range& thrown) {
        expect_equal(std::string_view(thrown.what()), "root", "exception of run");
        expect_equal(run_root(runtime, [&] { return square_of(runtime, 1); }), 1U,
                     "result of the next run");
        return;
    }
    throw violation("run returned", "the exception of the root");
}

template <any_runtime Runtime>
std::vector<rule> runtime_gather_rules() {
    return {
        rule_of<required_results_come_in_the_order_of_the_tasks<Runtime>>(
            "gather runs body(0) .. body(n - 1) and returns their results in that order",
            runtime_contract),
        rule_of<required_results_may_be_of_any_portable_type<Runtime>>(
            "what is trivially copyable may be a result", runtime_contract),
        rule_of<required_tasks_without_results_run_once_each<Runtime>>(
            "gather returns nothing for tasks that return nothing, having run each",
            runtime_contract),
        rule_of<required_gathers_nest<Runtime>>(
            "calls are made from inside the runtime's own tasks", runtime_contract),
        rule_of<required_all_tasks_run_although_some_throw<Runtime>>(
            "if tasks throw, all others still run to their ends", runtime_contract),
        rule_of<required_lowest_index_is_thrown_even_when_it_throws_last<Runtime>>(
            "then the exception of the lowest index is thrown", runtime_contract),
        rule_of<required_gather_ends_after_all_its_tasks<Runtime>>(
            "if tasks throw, all others still run to their ends; then gather throws",
            runtime_contract),
        rule_of<required_failure_of_a_nested_gather_reaches_the_outer_one<Runtime>>(
            "a task that gathers throws what its gather throws", runtime_contract),
        rule_of<required_system_errors_keep_their_code<Runtime>>(
            "errors of the operating system are std::system_error", runtime_contract),
        rule_of<required_gather_works_after_a_failed_one<Runtime>>(
            "a runtime survives the failures of its tasks", runtime_contract),
        rule_of<required_run_returns_what_the_root_returns<Runtime>>(
            "run runs a root task on the calling thread to its result", runtime_contract),
        rule_of<required_run_throws_what_the_root_throws<Runtime>>(
            "an exception of the root reaches run's caller", runtime_contract),
    };
}

}  // namespace overlap::conformance
