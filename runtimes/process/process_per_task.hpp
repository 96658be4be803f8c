// A forked process for each task.
#pragma once

#include <overlap/core/blocking_calls.hpp>
#include <overlap/core/machine_limits.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/core/task_failure.hpp>
#include <overlap/process/forked_task.hpp>
#include <overlap/process/portable_task.hpp>
#include <overlap/process/process_usage.hpp>
#include <overlap/process/shared_memory.hpp>

#include <cerrno>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace overlap {

namespace detail {

/// The processes of one gather, and what they leave in memory shared with their parent.
class task_processes {
public:
    task_processes(std::size_t n, std::size_t result_size, std::size_t result_alignment)
        : n_(n), states_(layout_.add(n, sizeof(task_state), 1)),
          failures_(layout_.add(n, sizeof(task_failure), alignof(task_failure))),
          results_(layout_.add(n, result_size, result_alignment)), memory_(layout_.size()) {
        children_.reserve(n);
    }

    [[nodiscard]] std::byte* results() const noexcept { return memory_.data() + results_; }

    /// Runs task(index), which must not throw, in a process for each index, and returns when all
    /// have ended. Throws what the task of the lowest index threw, worker_died if that is how it
    /// ended, or limit_error when a process could not be forked.
    template <class Task>
    void run_all(const Task& task) {
        int error = 0;
        while (children_.size() < n_) {
            const std::size_t index = children_.size();
            const pid_t child = fork_for_tasks();
            if (child == 0) {
                task(index);
                exit_child();
            }
            if (child < 0) {
                error = errno;
                break;
            }
            children_.push_back(child);
            reap_ended();
        }
        // While they are alive, since the limits count them.
        const std::size_t started = children_.size();
        const auto limit = error != 0 ? std::optional(limit_met("process_per_task", "process",
                                                                started, n_, error, process_demand))
                                      : std::nullopt;
        while (reaped_ < children_.size()) note_end(wait_for(children_[reaped_]));
        if (limit) throw limit_error(*limit);
        throw_failure();
    }

    /// For the child of `index`: its task returned.
    void returned(std::size_t index) const noexcept { state(index) = task_state::returned; }

    /// For the child of `index`: its task threw what is being handled.
    void threw(std::size_t index) const noexcept {
        failure(index).record(index);
        state(index) = task_state::threw;
    }

private:
    [[nodiscard]] task_state& state(std::size_t index) const noexcept {
        return reinterpret_cast<task_state*>(memory_.data() + states_)[index];
    }
    [[nodiscard]] task_failure& failure(std::size_t index) const noexcept {
        return reinterpret_cast<task_failure*>(memory_.data() + failures_)[index];
    }

    /// Waits for the oldest while they have ended, so that what limits a gather is how many are in
    /// flight, not how many there are.
    void reap_ended() noexcept {
        int status = 0;
        while (reaped_ < children_.size() &&
               ::waitpid(children_[reaped_], &status, WNOHANG) == children_[reaped_]) {
            note_end(status);
        }
    }

    void note_end(int status) noexcept {
        const std::size_t index = reaped_++;
        if (state(index) != task_state::waiting || death_) return;
        death_ = death{index, status};
    }

    void throw_failure() const {
        for (std::size_t index = 0; index < n_; ++index) {
            if (death_ && death_->index == index) {
                throw worker_died(describe_end(children_[index], death_->status) +
                                  " while it ran task " + std::to_string(index));
            }
            if (state(index) == task_state::threw) failure(index).rethrow();
        }
    }

    struct death {
        std::size_t index;
        int status;
    };

    std::size_t n_;
    memory_layout layout_;
    std::size_t states_;
    std::size_t failures_;
    std::size_t results_;
    shared_memory memory_;
    std::vector<pid_t> children_;
    std::size_t reaped_ = 0;
    std::optional<death> death_;  // The first, and so that of the lowest index.
};

}  // namespace detail

/// All tasks of a gather are in flight together, each in a copy of this process as it was when the
/// task was started. Only single-threaded processes may gather, and std::logic_error says so; tasks
/// are such, and may gather. Exceptions cross over as task_failure describes.
class process_per_task : public blocking_calls {
public:
    [[nodiscard]] static constexpr const char* name() noexcept { return "process_per_task"; }

    /// What the tightest limit of the machine leaves room for at this moment, an upper bound.
    [[nodiscard]] static std::size_t task_limit() { return tightest_limit(process_demand, 1).room; }

    /// Every child has been waited for when gather returns, so RUSAGE_CHILDREN has them all.
    [[nodiscard]] static process_usage children_usage() noexcept { return {}; }

    template <class Root>
    static decltype(auto) run(Root&& root) {
        return root();
    }

    /// Throws limit_error when a process cannot be forked, naming the limit; the tasks that were
    /// started before have ended by then, and their results and exceptions are dropped. A process
    /// that ends before its task does is worker_died.
    template <class Body>
    static auto gather(std::size_t n, const Body& body) {
        using task = portable_task<Body>;
        refuse_threads(name());
        detail::task_processes processes(n, task::result_size, task::result_alignment);
        processes.run_all([&](std::size_t index) noexcept {
            try {
                task::run(body, index, processes.results());
                processes.returned(index);
            } catch (...) {
                processes.threw(index);
            }
        });
        return task::collect(processes.results(), n);
    }
};

static_assert(direct_runtime<process_per_task>);

}  // namespace overlap
