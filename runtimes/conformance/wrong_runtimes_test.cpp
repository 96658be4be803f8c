// The kit tested with deliberately wrong runtimes: each must break its own rules and no other.
#include <overlap/conformance/direct_runtime_rules.hpp>
#include <overlap/conformance/testing/mistakes.hpp>
#include <overlap/conformance/testing/wrong_habits.hpp>
#include <overlap/conformance/testing/wrong_runtime.hpp>

#include <memory>
#include <string_view>
#include <vector>

namespace {

using namespace overlap;
using namespace overlap::conformance;
using namespace overlap::conformance::wrong_runtimes;

/// A runtime on threads with the habits `Wrong` breaks these rules. Where one mistake breaks several
/// sentences of the contract, or one sentence has several rules, all are named.
template <class Wrong>
mistake breaks(std::string_view name, const std::vector<breakage>& broken) {
    static const std::vector<rule> rules = direct_runtime_rules<chosen_runtime>();
    const auto choose = [] {
        chosen_runtime::choose = []() -> std::unique_ptr<habits> {
            return std::make_unique<Wrong>();
        };
    };
    return {.name = name, .rules = rules, .broken = broken, .commit = choose};
}

/// The same for a runtime on fibers.
template <fiber_mistake Wrong>
mistake breaks(std::string_view name, const std::vector<breakage>& broken) {
    static const std::vector<rule> rules = direct_runtime_rules<wrong_fiber>();
    return {.name = name, .rules = rules, .broken = broken, .commit = [] {
                wrong_fiber::chosen = Wrong;
                wrong_fiber::wrong = cancel_mistake::none;
            }};
}

/// The same, with a mistake about deadlines or cancelling.
template <cancel_mistake Wrong>
mistake breaks(std::string_view name, const std::vector<breakage>& broken) {
    static const std::vector<rule> rules = direct_runtime_rules<wrong_fiber>();
    return {.name = name, .rules = rules, .broken = broken, .commit = [] {
                wrong_fiber::chosen = fiber_mistake::none;
                wrong_fiber::wrong = Wrong;
            }};
}

std::vector<mistake> mistakes_with_results() {
    return {
        breaks<habits>("none_on_threads", {}),
        breaks<drops_tasks>("drops_tasks", {{"required_tasks_without_results_run_once_each",
                                             "how often task 256 ran: 0"}}),
        breaks<runs_a_task_twice>(
            "runs_a_task_twice",
            {{"required_tasks_without_results_run_once_each", "how often task 256 ran: 2"}}),
        breaks<returns_results_out_of_order>(
            "returns_results_out_of_order",
            {{"required_results_come_in_the_order_of_the_tasks", "result 0 of 300: 65536"}}),
        breaks<mixes_up_truths>("mixes_up_truths",
                                {{"required_results_may_be_of_any_portable_type", "truth 1: 0"}}),
        breaks<refuses_gathers_inside_tasks>(
            "refuses_gathers_inside_tasks",
            {{"required_gathers_nest", "gather was called by a task"},
             {"required_failure_of_a_nested_gather_reaches_the_outer_one",
              "was called by a task"}}),
        breaks<spoils_the_result_of_run>("spoils_the_result_of_run",
                                         {{"required_run_returns_what_the_root_returns",
                                           "result of run that cannot be copied: 4"}}),
        breaks<swallows_exceptions_of_the_root>(
            "swallows_exceptions_of_the_root",
            {{"required_run_throws_what_the_root_throws", "run returned"}}),
    };
}

std::vector<mistake> mistakes_with_failures() {
    constexpr std::string_view returned = "gather returned";
    return {
        breaks<gives_up_when_a_task_fails>(
            "gives_up_when_a_task_fails",
            {{"required_all_tasks_run_although_some_throw", "how often task 8 ran: 0"}}),
        breaks<throws_the_last_failure>(
            "throws_the_last_failure", {{"required_lowest_index_is_thrown_even_when_it_throws_last",
                                         "exception of gather: task 3; expected: task 0"}}),
        breaks<swallows_failures>(
            "swallows_failures",
            {{"required_all_tasks_run_although_some_throw", returned},
             {"required_lowest_index_is_thrown_even_when_it_throws_last", returned},
             {"required_gather_ends_after_all_its_tasks", returned},
             {"required_failure_of_a_nested_gather_reaches_the_outer_one", returned},
             {"required_system_errors_keep_their_code", returned},
             {"required_gather_works_after_a_failed_one", returned}}),
        breaks<forgets_the_type_of_failures>(
            "forgets_the_type_of_failures",
            {{"required_system_errors_keep_their_code", "seen: an exception: no such thing"}}),
        breaks<ends_gather_too_early>(
            "ends_gather_too_early",
            {{"required_gather_ends_after_all_its_tasks", "how often task 4 ran: 0"}}),
        breaks<does_not_survive_a_failure>(
            "does_not_survive_a_failure",
            {{"required_gather_works_after_a_failed_one", "the runtime has failed before"}}),
    };
}

std::vector<mistake> mistakes_with_waiting() {
    return {
        breaks<runs_tasks_one_by_one>(
            "runs_tasks_one_by_one",
            {{"required_as_many_tasks_are_in_flight_as_the_limit_says",
              "tasks in flight at once, of 50 that sleep: 1"},
             {"required_yield_lets_other_tasks_go_first", "a task yielded for a second"}}),
        breaks<understates_its_limit>("understates_its_limit",
                                      {{"required_as_many_tasks_are_in_flight_as_the_limit_says",
                                        "tasks in flight; expected: at most 4"}}),
        breaks<wakes_early>("wakes_early", {{"required_sleep_is_never_early", "ns early"}}),
        breaks<fiber_mistake::none>("none_on_fibers", {}),
        breaks<fiber_mistake::yield_does_nothing>(
            "yield_does_nothing",
            {{"required_yield_lets_other_tasks_go_first", "a task yielded for a second"}}),
        breaks<fiber_mistake::yield_has_room_for_40_tasks>(
            "yield_has_room_for_40_tasks", {{"required_tasks_that_yield_all_end", hung}}),
        breaks<fiber_mistake::spawn_runs_the_task_inside_the_call>(
            "spawn_runs_the_task_inside_the_call",
            {{"required_spawned_tasks_run_beside_their_spawner", "before its spawner went on"}}),
        breaks<fiber_mistake::join_spoils_the_result>(
            "join_spoils_the_result",
            {{"required_spawned_tasks_are_joined", "result of spawned task 0: 1; expected: 0"}}),
        breaks<fiber_mistake::join_swallows_the_exception>(
            "join_swallows_the_exception",
            {{"required_join_throws_what_the_task_threw", "that threw ENOENT: 0"}}),
    };
}

std::vector<mistake> mistakes_with_deadlines() {
    return {
        breaks<cancel_mistake::deadlines_come_early>("deadlines_come_early",
                                                     {{"required_read_ends_when_its_deadline_comes",
                                                       "ns early; expected: now() >= deadline"}}),
        breaks<cancel_mistake::late_reads_lose_what_they_have>(
            "late_reads_lose_what_they_have",
            {{"stochastic_read_ends_once_with_its_bytes_or_by_its_deadline", "is another one"}}),
        breaks<cancel_mistake::deadlines_outlive_their_call>(
            "deadlines_outlive_their_call",
            {{"required_deadline_that_was_kept_leaves_nothing_behind", "110; expected: 0"}}),
        breaks<cancel_mistake::accept_knows_no_deadline>(
            "accept_knows_no_deadline", {{"required_accept_and_connect_have_deadlines", hung}}),
        breaks<cancel_mistake::deadlines_of_tasks_are_silent>(
            "deadlines_of_tasks_are_silent",
            {{"required_with_deadline_ends_what_takes_longer", "0; expected: 110"}}),
        breaks<cancel_mistake::deadlines_of_tasks_outlive_them>(
            "deadlines_of_tasks_outlive_them",
            {{"required_with_deadline_leaves_alone_what_ends_in_time", "4; expected: 0"}}),
    };
}

std::vector<mistake> mistakes_with_cancelling() {
    return {
        breaks<cancel_mistake::cancel_does_not_reach_reads>(
            "cancel_does_not_reach_reads", {{"required_cancel_reaches_whatever_a_task_waits_for",
                                             "waited for a read: 0; expected: 125"}}),
        breaks<cancel_mistake::cancelled_reads_lose_what_they_have>(
            "cancelled_reads_lose_what_they_have",
            {{"stochastic_cancelled_read_loses_no_byte", "by tasks that were cancelled"}}),
        breaks<cancel_mistake::cancel_tires_after_a_thousand>(
            "cancel_tires_after_a_thousand",
            {{"required_a_hundred_thousand_sleepers_are_cancelled", "sleepers that went on: 200"}}),
        breaks<cancel_mistake::cancel_before_the_start_is_forgotten>(
            "cancel_before_the_start_is_forgotten",
            {{"required_cancel_before_the_start_is_seen_and_nothing_runs", "0; expected: 125"}}),
        breaks<cancel_mistake::cancelling_twice_throws>(
            "cancelling_twice_throws", {{"required_cancel_twice_is_once", "cancelled twice"}}),
        breaks<cancel_mistake::cancelling_after_the_end_spoils_the_result>(
            "cancelling_after_the_end_spoils_the_result",
            {{"required_cancel_after_the_end_does_nothing", "125; expected: 0"}}),
    };
}

std::vector<mistake> mistakes_with_io() {
    return {
        breaks<garbles_what_it_reads>(
            "garbles_what_it_reads", {{"required_bytes_come_back_intact", "status of the client"}}),
        breaks<cuts_long_writes_short>(
            "cuts_long_writes_short",  // Which end sees it first is chance.
            {{"required_long_writes_go_on_until_all_is_sent", ""}}),
        breaks<takes_end_of_file_for_an_error>("takes_end_of_file_for_an_error",
                                               {{"required_end_of_file_is_zero", hung}}),
        breaks<connects_for_reading_only>("connects_for_reading_only",
                                          {{"required_connect_reaches_a_listener", "Broken pipe"}}),
        breaks<gives_a_wrong_error_for_refused_connections>(
            "gives_a_wrong_error_for_refused_connections",
            {{"required_refused_connection_is_an_error", "error of connect: 5; expected: 111"}}),
        breaks<hides_errors_of_close>("hides_errors_of_close",
                                      {{"required_errors_of_descriptors_surface",
                                        "error of call 3 on no descriptor: 0; expected: 9"}}),
        breaks<hides_errors_of_write>("hides_errors_of_write",
                                      {{"required_writing_to_nobody_is_an_error", hung}}),
        breaks<leaks_refused_connections>(
            "leaks_refused_connections",
            {{"required_no_descriptor_is_left_open", "after the runtime has gone"}}),
    };
}

}  // namespace

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    std::vector<mistake> all;
    for (const auto& part :
         {mistakes_with_results(), mistakes_with_failures(), mistakes_with_waiting(),
          mistakes_with_io(), mistakes_with_deadlines(), mistakes_with_cancelling()}) {
        all.insert(all.end(), part.begin(), part.end());
    }
    register_mistakes("wrong_runtimes", all);
    return RUN_ALL_TESTS();
}
