// What a workload is: the concept that the harness measures, and defaults for what most do alike.
//
// Workload NAME is a folder of this one. Its case.hpp has the parameters, NAME_case, and how they are
// read; body.hpp what tasks do, as coroutines and once more as plain functions; workload.hpp and
// workload.cpp the class NAME_workload, which derives from workload_defaults, and says what a run has
// to show for itself. One object of that class lives in each measuring process. It is made before the
// runtime is, since workers that are forked see the memory of that moment.
#pragma once

#include "bench/cases/case_file.hpp"
#include "bench/harness/flights.hpp"
#include "bench/harness/options.hpp"
#include "bench/harness/row.hpp"
#include "bench/harness/session.hpp"

#include <overlap/sequential/sequential.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace overlap::bench {

/// Memory is a slope over sizes of the case, and means something from so many tasks on.
inline constexpr std::size_t least_tasks_for_memory = 1000;

/// `Result` is what a task returns. A class hides what it does otherwise.
template <class Case, class Result>
struct workload_defaults {
    using case_type = Case;
    using result = Result;

    /// What figures per task are divided by: its name, and how many a run has.
    static constexpr const char* unit = "task";
    static std::size_t work_items(const Case& given) { return given.task_count(); }
    static std::size_t result_count(const Case& given) { return given.task_count(); }

    /// Of a case that may be repeated: how many leaves a run has, and what all results of one with this
    /// seed add up to, modulo 2^64.
    static std::size_t leaf_count(const Case& given) { return given.task_count(); }
    static std::uint64_t expected_sum(const Case& /*given*/, std::uint32_t /*seed*/) { return 0; }

    /// How long a run takes, roughly, with so many tasks in flight at most; 0: unknown.
    static double expected_s(const Case& /*given*/, std::size_t /*task_limit*/) { return 0; }
    /// Whether tasks wait for each other, so that there is no row unless all can be in flight at once.
    static constexpr bool needs_all_in_flight = false;
    /// Why a backend cannot run it, in words; empty: it can.
    template <class Backend>
    static std::string cannot_run(const Case& /*given*/, const Backend& /*backend*/) {
        return {};
    }
    /// What tasks wait, all of them together.
    static double least_spans_s(const Case& /*given*/) { return 0; }
    /// How many tasks are in flight at one time if the runtime can have `possible` of them.
    static std::size_t least_in_flight(const Case& /*given*/, std::size_t /*possible*/) {
        return 1;
    }

    /// Variants of a case: the run before the measured ones, and a run for memory. By default memory
    /// is not measured, as what matters is time.
    static Case warm_up(const Case& given) { return given; }
    static bool has_memory(const Case& /*given*/, bool /*uses_processes*/) { return false; }
    static Case for_memory(const Case& given, const memory_run& /*how*/) { return given; }
    /// Whether for_memory can make its sleeps longer.
    static bool can_stretch(const Case& /*given*/) { return false; }

    /// What peers are asked for, by name.
    static const char* asked_of_peers(const Case& /*given*/) { return Case::workload; }

    /// What echo_load is to send, if a run serves; see begin().
    static std::optional<server_load> load_of(const Case& /*given*/) { return std::nullopt; }
    /// Called before each run; so many tasks can be in flight at once.
    static void begin(session& /*line*/, const Case& /*given*/, std::size_t /*task_limit*/) {}
    /// Called right before each run, of peers as well: for what is counted beside the backend.
    static void before_run() {}
};

/// Parameters of a workload, and all that follows from them alone.
template <class Case>
concept workload_case = std::derived_from<Case, case_base> && std::copyable<Case> &&
                        requires(Case made, const Case& given, case_reader& reader) {
                            { Case::workload } -> std::convertible_to<const char*>;
                            { given.task_count() } -> std::same_as<std::size_t>;
                            made.read(reader);
                            { given.to_json() } -> std::same_as<nlohmann::json>;  // For peers.
                        };

template <class Workload>
concept workload =
    workload_case<typename Workload::case_type> &&
    std::is_trivially_copyable_v<typename Workload::result> &&
    std::derived_from<Workload,
                      workload_defaults<typename Workload::case_type, typename Workload::result>> &&
    std::constructible_from<Workload, const typename Workload::case_type&> &&
    requires(Workload work, const typename Workload::case_type& given, sequential& runtime,
             no_log& log, std::uint32_t seed, const std::vector<typename Workload::result>& results,
             double wall_s, const options& chosen, std::vector<row>& rows) {
        /// The root task in the runtime's colour. Tasks hold what `log.enter()` returns. What they
        /// compute begins with the run's seed, which they are handed by value.
        {
            work.root(runtime, given, seed, log)
        } -> std::same_as<std::vector<typename Workload::result>>;
        /// The workload's own counters; throws wrong_result unless all was done. There are as many
        /// results as there have to be.
        { work.check(given, seed, results, wall_s) } -> std::same_as<counters>;
        /// Rows on its floors, if it has any, and add_all_rows(): compiled once, in workload.cpp.
        Workload::add_rows(given, chosen, rows);
    };

}  // namespace overlap::bench
