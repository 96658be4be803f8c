// Ranks of MPI, on one machine or on many: each runs the same program, and all enter a gather together.
#pragma once

#include <overlap/core/blocking_calls.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/mpi/index_counter.hpp>
#include <overlap/mpi/mpi_call.hpp>
#include <overlap/mpi/rank_results.hpp>

#include <climits>
#include <cstddef>
#include <cstring>
#include <memory>
#include <mpi.h>
#include <string>
#include <time.h>
#include <type_traits>
#include <utility>
#include <vector>

namespace overlap {

/// Where the results of a gather are when it returns.
enum class results_at {
    every_rank,  ///< All ranks go on with the same values.
    root,  ///< Rank 0 has them; gather returns an empty vector on the others, which is cheaper.
};

/// The tasks of a gather, spread over the ranks of a communicator. `Inner` runs what a rank has taken:
/// `sequential` for a rank a core, `thread_pool` for a rank a machine.
///
/// SPMD: all ranks make the runtime, enter each gather and destroy the runtime together, with the same
/// number of tasks and an equal body, or std::logic_error says on each that they are out of step. No
/// code and no capture crosses the wire, so what a capture points to is the rank's own. A gather inside
/// a task runs in its rank, on `Inner`. Exceptions cross as task_failure describes, and every rank
/// throws that of the lowest index.
///
/// A rank that has run out of tasks waits in MPI, which spends its core on polling. When a rank dies,
/// mpirun ends all the others.
///
/// Use it from the thread that made it; that thread may call MPI, but not while a gather runs.
template <direct_runtime Inner>
class mpi : public blocking_calls {
public:
    /// `inner` is what Inner is made with. An mpi_environment must exist. Throws mpi_error.
    template <class... Arguments>
    explicit mpi(results_at where = results_at::every_rank, MPI_Comm ranks = MPI_COMM_WORLD,
                 Arguments&&... inner)
        : where_(where), ranks_(ranks), inner_(std::forward<Arguments>(inner)...),
          workers_(sum_over_ranks(inner_.task_limit())), counter_(ranks_, workers_) {}

    [[nodiscard]] static std::string name() {
        const std::string inner(Inner::name());
        return inner == "sequential" ? "mpi" : "mpi+" + inner;
    }
    /// Of all ranks together.
    [[nodiscard]] std::size_t task_limit() const noexcept { return workers_; }

    /// The CPU time that this rank's process has spent on gathers so far without waiting for other ranks
    /// at their ends, in seconds: what it has used beside that went into polling.
    [[nodiscard]] double working_s() const noexcept { return working_s_; }

    [[nodiscard]] int rank() const noexcept { return ranks_.rank(); }
    [[nodiscard]] int size() const noexcept { return ranks_.size(); }

    template <class Root>
    static decltype(auto) run(Root&& root) {
        return root();
    }

    /// Throws limit_error for more tasks than MPI can count.
    template <class Body>
    auto gather(std::size_t n, const Body& body) {
        static_assert(portable_body<Body>,
                      "tasks run on other machines, so the body and what it returns must be "
                      "trivially copyable; a result may also be void");
        using result = std::invoke_result_t<const Body&, std::size_t>;
        if (running_) return inner_.gather(n, body);
        if (n > INT_MAX) {
            throw limit_error(name() + " gathers at most " + std::to_string(INT_MAX) +
                              " tasks at once, got " + std::to_string(n));
        }
        const detail::rank_share own = run_share(n, body);
        if constexpr (std::is_void_v<result>) {
            detail::rank_meeting(ranks_, n, 0, own);
        } else {
            const detail::rank_meeting meeting(ranks_, n, sizeof(result), own);
            const auto bytes = meeting.results(where_ == results_at::every_rank);
            const auto* const first = reinterpret_cast<const result*>(bytes.get());
            return std::vector<result>(first, first + (bytes ? n : 0));
        }
    }

private:
    static double cpu_s() noexcept {
        timespec used{};
        ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
        return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
    }

    [[nodiscard]] std::size_t sum_over_ranks(std::size_t own) const {
        std::uint64_t sum = own;
        detail::check_mpi(MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_UINT64_T, MPI_SUM, ranks_.get()),
                          "MPI_Allreduce");
        return sum;
    }

    /// Takes and runs tasks with all workers of this rank until no rank has any left to take.
    template <class Body>
    detail::rank_share run_share(std::size_t n, const Body& body) {
        std::vector<detail::rank_share> shares(inner_.task_limit());
        const double before_s = cpu_s();
        counter_.begin(n);
        running_ = true;
        inner_.gather(shares.size(), [&](std::size_t worker) {
            run_in_chunks([this](std::size_t wanted) { return counter_.take(wanted); },
                          [&](task_range range) { run_range(body, range, shares[worker]); },
                          counter_.chunk_time());
        });
        running_ = false;
        counter_.end();
        working_s_ += cpu_s() - before_s;
        detail::rank_share all;
        for (detail::rank_share& each : shares) all.add(std::move(each));
        return all;
    }

    template <class Body>
    static void run_range(const Body& body, task_range range, detail::rank_share& into) {
        using result = std::invoke_result_t<const Body&, std::size_t>;
        std::byte* place = nullptr;
        if constexpr (!std::is_void_v<result>) {
            const std::size_t before = into.results.size();
            into.results.resize(before + (range.last - range.first) * sizeof(result));
            place = into.results.data() + before;
        }
        for (std::size_t index = range.first; index < range.last; ++index) {
            try {
                if constexpr (std::is_void_v<result>) {
                    body(index);
                } else {
                    const result value = body(index);
                    std::memcpy(place, &value, sizeof value);
                    place += sizeof value;
                }
            } catch (...) {
                if (index < into.failure.index()) into.failure.record(index);
            }
        }
        into.add(range);
    }

    results_at where_;
    rank_group ranks_;
    Inner inner_;
    std::size_t workers_;
    detail::index_counter counter_;
    double working_s_ = 0;
    bool running_ = false;  // Tasks are: whoever gathers now is one of them.
};

}  // namespace overlap
