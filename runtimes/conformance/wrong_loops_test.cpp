// The kit tested with deliberately wrong loops: each must break its own rules and no other.
#include <overlap/conformance/allocations.hpp>
#include <overlap/conformance/loop_rules.hpp>
#include <overlap/conformance/testing/mistakes.hpp>
#include <overlap/conformance/testing/wrong_io.hpp>
#include <overlap/conformance/testing/wrong_loop.hpp>
#include <overlap/conformance/testing/wrong_posts.hpp>
#include <overlap/conformance/testing/wrong_timers.hpp>

#include <memory>
#include <string_view>
#include <vector>

namespace {

using namespace overlap;
using namespace overlap::conformance;
using namespace overlap::conformance::wrong_loops;

/// `Wrong` breaks these rules. Where one mistake breaks several sentences of the contract, or one
/// sentence has several rules, all are named.
template <class Wrong>
mistake breaks(std::string_view name, const std::vector<breakage>& broken,
               const abilities& able = {}) {
    static const std::vector<rule> rules = loop_rules<chosen_loop>();
    const auto choose = [] {
        chosen_loop::make = []() -> std::unique_ptr<wrong_loop> {
            return std::make_unique<Wrong>();
        };
    };
    return {.name = name, .rules = rules, .broken = broken, .commit = choose, .able = able};
}

constexpr std::string_view died = "seen: the process";  // Of a signal, or of a sanitizer's report.

std::vector<mistake> mistakes_with_posts() {
    return {
        breaks<wrong_loop>("none", {}),
        breaks<wakes_as_late_as_it_may>("wakes_as_late_as_it_may", {}),
        breaks<runs_posts_last_in_first_out>(
            "runs_posts_last_in_first_out",
            {{"required_posts_run_in_order", "number of the operation that ran at place 0"},
             {"required_due_timer_goes_before_posts_that_compute", "after 64 of 64"},
             {"required_due_io_goes_before_posts_that_compute", "after 64 of 64"}}),
        breaks<runs_posts_inside_the_call>(
            "runs_posts_inside_the_call",
            {{"required_post_never_completes_inside_the_call", "completed before run(): 1"},
             {"required_due_timer_goes_before_posts_that_compute", "after 64 of 64"},
             {"required_due_io_goes_before_posts_that_compute", "after 64 of 64"}}),
        breaks<clears_the_result_of_posts>(
            "clears_the_result_of_posts",
            {{"required_post_leaves_the_result", "completed with 0; expected: 42"}}),
        breaks<loses_what_is_posted_inside_its_done>(
            "loses_what_is_posted_inside_its_done",
            {{"required_operation_is_submitted_again_inside_its_done", hung}}),
        breaks<cancels_posts>("cancels_posts",
                              {{"required_cancel_of_a_posted_operation_changes_nothing",
                                "a posted operation completed with -125"}}),
        breaks<drops_posts_that_stop_leaves>(
            "drops_posts_that_stop_leaves",
            {{"required_run_returns_after_stop_and_goes_on_in_the_next", hung}}),
        breaks<forgets_a_stop_before_run>(
            "forgets_a_stop_before_run",
            {{"required_stop_before_run_makes_that_run_return", hung}}),
        breaks<returns_for_want_of_work>("returns_for_want_of_work",
                                         {{"required_run_does_not_return_for_want_of_work",
                                           "when run() returned unstopped: 1"}}),
        breaks<loses_remote_posts_beyond_its_queue>(
            "loses_remote_posts_beyond_its_queue",
            {{"required_remote_posts_from_four_threads_all_arrive",
              "completions of an operation posted by a thread: 0"}}),
        breaks<runs_remote_posts_beyond_its_queue_at_once>(
            "runs_remote_posts_beyond_its_queue_at_once",
            {{"required_remote_posts_run_on_the_loops_thread", "on the thread that posted them"},
             {"required_remote_posts_of_one_thread_run_in_order", ""}}),
        breaks<reverses_remote_posts>("reverses_remote_posts",
                                      {{"required_remote_posts_of_one_thread_run_in_order",
                                        "that ran before an earlier one"}}),
        breaks<is_not_woken_by_remote_posts>(
            "is_not_woken_by_remote_posts",
            {{"required_run_does_not_return_for_want_of_work", hung},
             {"required_remote_post_wakes_a_sleeping_loop", hung},
             {"required_remote_post_wakes_a_loop_that_waits_for_io", hung},
             {"stochastic_remote_post_is_not_lost_as_the_loop_falls_asleep", hung},
             {"stochastic_loop_may_be_gone_before_post_remote_returns", hung}}),
        breaks<wakes_whoever_has_its_number>(
            "wakes_whoever_has_its_number",
            {{"stochastic_loop_may_be_gone_before_post_remote_returns",
              "sockets that nobody has written to"}}),
        breaks<starves_beside_posts<submitted_by::post_remote>>(
            "starves_remote_posts_beside_posts",
            {{"required_remote_posts_complete_while_an_operation_reposts_itself", hung}}),
        breaks<starves_beside_posts<submitted_by::call_at>>(
            "starves_timers_beside_posts",
            {{"required_timers_complete_while_an_operation_reposts_itself", hung},
             {"required_due_timer_goes_before_posts_that_compute", "after 64 of 64"}}),
        breaks<starves_beside_posts<submitted_by::submit>>(
            "starves_io_beside_posts",
            {{"required_io_completes_while_an_operation_reposts_itself", hung},
             {"required_due_io_goes_before_posts_that_compute", "after 64 of 64"}}),
        breaks<shares_timers_between_loops>("shares_timers_between_loops",
                                            {{"required_two_loops_on_two_threads", ""}}),
    };
}

std::vector<mistake> mistakes_with_timers() {
    return {
        breaks<completes_timers_early>(
            "completes_timers_early",
            {{"required_timers_are_never_early", "nanoseconds by which a timer completed before"}}),
        breaks<rounds_deadlines_up>(
            "rounds_deadlines_up",
            {{"required_timers_complete_in_order_of_deadline", "before one of an earlier deadline"},
             {"required_cancelling_some_timers_leaves_the_others", "out of order"}}),
        breaks<reverses_equal_deadlines>("reverses_equal_deadlines",
                                         {{"required_equal_deadlines_complete_in_order_of_call",
                                           "the same deadline that was armed earlier"}}),
        breaks<loses_deadlines_long_past>("loses_deadlines_long_past",
                                          {{"required_deadline_that_has_passed_completes", hung}}),
        breaks<completes_far_deadlines_at_once>(
            "completes_far_deadlines_at_once",
            {{"required_far_deadline_waits", "due in a century or never: 2"}}),
        breaks<has_room_for_65536_timers>("has_room_for_65536_timers",
                                          {{"required_100000_timers_at_once", hung}}),
        breaks<loses_a_timer_armed_inside_its_done>(
            "loses_a_timer_armed_inside_its_done",
            {{"required_timer_is_armed_again_inside_its_done", hung},
             {"required_cancelled_timer_is_armed_again_inside_its_done", hung}}),
        breaks<never_completes_cancelled_timers>(
            "never_completes_cancelled_timers",
            {{"required_cancelled_timers_complete_once", hung},
             {"required_cancelled_timer_is_armed_again_inside_its_done", hung},
             {"required_cancelled_timers_are_freed_inside_their_done", hung}}),
        breaks<completes_twice_when_cancelled_twice>(
            "completes_twice_when_cancelled_twice",
            {{"required_cancelled_timers_complete_once", "cancelled twice: 2"}}),
        breaks<completes_twice_when_cancelled_late>(
            "completes_twice_when_cancelled_late",
            {{"required_cancel_beside_completion_completes_once", "cancelled when it was due: 2"}}),
        breaks<completes_again_when_cancelled_afterwards>(
            "completes_again_when_cancelled_afterwards",
            {{"required_cancel_after_completion_changes_nothing", "after it had completed: 2"}}),
        breaks<completes_timers_inside_cancel>(
            "completes_timers_inside_cancel",
            {{"required_cancel_completes_nothing_outside_run", "inside a cancel()"}}),
        breaks<cancels_one_timer_too_many>(
            "cancels_one_timer_too_many",
            {{"required_cancelling_some_timers_leaves_the_others", "completed with -125"}}),
        breaks<touches_timers_after_done>(
            "touches_timers_after_done",
            {{"required_operations_are_freed_inside_their_done", died},
             {"required_cancelled_timers_are_freed_inside_their_done", died}}),
        breaks<completes_timers_when_destroyed>(
            "completes_timers_when_destroyed",
            {{"required_destroying_a_loop_calls_nothing", "when the loop was destroyed: 2"}}),
    };
}

std::vector<mistake> mistakes_with_io() {
    return {
        breaks<completes_reads_inside_submit>(
            "completes_reads_inside_submit",
            {{"required_submit_never_completes_inside_the_call", "inside submit(), before run()"}}),
        breaks<garbles_what_it_reads>(
            "garbles_what_it_reads",
            {{"required_read_and_write_carry_bytes", "bytes that were read: ppng!"},
             {"required_long_message_arrives_whole_through_short_writes", "not as sent"}}),
        breaks<takes_end_of_file_for_an_error>(
            "takes_end_of_file_for_an_error",
            {{"required_end_of_file_is_zero", "completed with -32 (Broken pipe)"}}),
        breaks<gives_errors_as_positive_numbers>(
            "gives_errors_as_positive_numbers",
            {{"required_errors_are_results", "completed with 9; expected: -9"},
             {"required_connect_succeeds_or_is_refused", "completed with 111; expected: -111"}}),
        breaks<takes_refused_connections_for_made>(
            "takes_refused_connections_for_made",
            {{"required_connect_succeeds_or_is_refused", "completed with 0; expected: -111"}}),
        breaks<accepts_blocking_connections>(
            "accepts_blocking_connections",
            {{"required_accepted_descriptors_are_non_blocking_and_close_on_exec",
              "a blocking connection"}}),
        breaks<accepts_last_in_first_out>(
            "accepts_last_in_first_out",
            {{"required_many_accepts_wait_on_one_listener", "in another order than was asked"}}),
        breaks<loses_the_second_operation_on_a_descriptor>(
            "loses_the_second_operation_on_a_descriptor",
            {{"required_read_and_write_wait_on_one_descriptor", hung}}),
        breaks<says_that_short_writes_were_whole>(
            "says_that_short_writes_were_whole",
            {{"required_long_message_arrives_whole_through_short_writes", "bytes that arrived"}}),
        breaks<does_not_wait_for_io>("does_not_wait_for_io",
                                     {{"required_io_wakes_a_sleeping_loop", hung}}),
        breaks<has_room_for_1024_descriptors>(
            "has_room_for_1024_descriptors",
            {{"required_many_descriptors_at_once", "completed with -9"}}),
        breaks<does_not_cancel_connects>("does_not_cancel_connects",
                                         {{"required_cancelled_io_completes_once", hung}}),
        breaks<does_not_cancel_before_run>(
            "does_not_cancel_before_run", {{"required_io_cancelled_at_once_completes_once", hung}}),
        breaks<reads_on_for_cancelled_reads>(
            "reads_on_for_cancelled_reads",
            {{"required_cancelled_read_takes_no_bytes", hung},
             {"stochastic_cancel_races_a_read", "were read and left: ;"}}),
        breaks<swallows_what_arrived_before_cancel<operation_kind::read>>(
            "swallows_bytes_that_arrived_before_cancel",
            {{"required_cancel_in_the_turn_of_completion_loses_nothing", "were read and left: ;"},
             {"stochastic_cancel_races_a_read", "were read and left: ;"}}),
        breaks<swallows_what_arrived_before_cancel<operation_kind::accept>>(
            "swallows_connections_that_arrived_before_cancel",
            {{"required_cancelled_accept_loses_no_connection", "neither a completed accept nor"}}),
        breaks<cancels_all_accepts_of_a_listener>(
            "cancels_all_accepts_of_a_listener",
            {{"required_cancel_of_one_waiting_accept_leaves_the_others", "accept number 0: -125"}}),
        breaks<completes_reads_again_when_cancelled_afterwards>(
            "completes_reads_again_when_cancelled_afterwards",
            {{"required_cancel_of_completed_io_changes_nothing", "after it had completed: 2"}}),
        breaks<touches_io_after_done>("touches_io_after_done",
                                      {{"required_io_is_freed_inside_its_done", died},
                                       {"required_cancelled_io_is_freed_inside_its_done", died}}),
        breaks<completes_io_when_destroyed>(
            "completes_io_when_destroyed",
            {{"required_destroying_a_loop_calls_no_waiting_io", "when the loop was destroyed: 3"}}),
        breaks<writes_to_buffers_when_destroyed>(
            "writes_to_buffers_when_destroyed",
            {{"stochastic_destroyed_loop_lets_go_of_descriptors_and_buffers",
              "what the buffer holds: 33"}}),
    };
}

std::vector<mistake> mistakes_with_descriptors_and_memory() {
    return {
        breaks<shuts_down_instead_of_closing>(
            "shuts_down_instead_of_closing",
            {{"required_close_through_the_loop", "an open descriptor after close"},
             {"required_io_leaks_no_descriptor", "descriptors open after"}}),
        breaks<remembers_closed_descriptors>(
            "remembers_closed_descriptors",
            {{"required_number_of_a_closed_descriptor_is_used_again", ""},
             {"required_number_is_used_again_while_a_duplicate_is_open", ""}}),
        breaks<leaks_a_descriptor>("leaks_a_descriptor",
                                   {{"required_loops_leak_no_descriptor", "descriptors open after"},
                                    {"required_io_leaks_no_descriptor", "descriptors open after"}}),
        breaks<leaves_a_duplicate_of_what_it_accepts>(
            "leaves_a_duplicate_of_what_it_accepts",
            {{"required_io_leaks_no_descriptor", "descriptors open after"}}),
        breaks<allocates_for_each_timer>(
            "allocates_for_each_timer",
            {{"optional_no_allocation_once_warm", "allocations by a warm loop: 5000"}},
            {.counted_allocation = allocation_count != nullptr}),
    };
}

}  // namespace

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    std::vector<mistake> all;
    for (const auto& part : {mistakes_with_posts(), mistakes_with_timers(), mistakes_with_io(),
                             mistakes_with_descriptors_and_memory()}) {
        all.insert(all.end(), part.begin(), part.end());
    }
    register_mistakes("wrong_loops", all);
    return RUN_ALL_TESTS();
}
