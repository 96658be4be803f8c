// The rules of runtimes on several cores tried on wrong ones: each must break its own and no other.
#include <overlap/conformance/testing/mistakes.hpp>
#include <overlap/cores/testing/wrong_cores.hpp>

#include <string_view>
#include <vector>

namespace {

using namespace overlap;
using namespace overlap::conformance;

template <cores_mistake Wrong>
mistake breaks(std::string_view name, const std::vector<breakage>& broken) {
    static const std::vector<rule> rules = runtime_cores_rules<wrong_cores>();
    return {.name = name, .rules = rules, .broken = broken, .commit = [] {
                wrong_cores::chosen = Wrong;
            }};
}

std::vector<mistake> mistakes() {
    constexpr std::string_view timers = "required_computing_holds_up_no_timer_of_another_thread";
    return {
        breaks<cores_mistake::none>("none_on_several_cores", {}),
        breaks<cores_mistake::moves_tasks_that_yield>(
            "moves_tasks_that_yield",
            {{"required_task_stays_on_its_thread", "of 500 went on on another thread"}}),
        breaks<cores_mistake::runs_all_tasks_on_one_core>(
            "runs_all_tasks_on_one_core",
            {{"required_tasks_compute_at_once", "of 64 tasks that compute, 1 at once"},
             {timers, "while one computed: 0; expected: at least 20"}}),
        breaks<cores_mistake::waits_for_timers_on_the_first_thread>(
            "waits_for_timers_on_the_first_thread",
            {{timers, "while one computed: 0; expected: at least 20"}}),
        breaks<cores_mistake::refuses_gathers_on_other_threads>(
            "refuses_gathers_on_other_threads",
            {{"required_gathers_nest_on_all_threads_at_once", "on a thread of the runtime's own"}}),
        breaks<cores_mistake::waits_at_its_end_for_tasks_that_nobody_runs>(
            "waits_at_its_end_for_tasks_that_nobody_runs",
            {{"required_run_ends_while_threads_post_to_each_other", hung}}),
        breaks<cores_mistake::reads_on_the_first_thread>(
            "reads_on_the_first_thread",
            {{"required_numbers_of_descriptors_pass_from_thread_to_thread", hung}}),
    };
}

}  // namespace

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    register_mistakes("wrong_cores", mistakes());
    return RUN_ALL_TESTS();
}
