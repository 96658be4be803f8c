// Workers in processes of their own, forked before any thread exists and kept from gather to
// gather.
#pragma once

#include <overlap/core/blocking_calls.hpp>
#include <overlap/core/cores.hpp>
#include <overlap/core/machine_limits.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/core/task_results.hpp>
#include <overlap/process/forked_task.hpp>
#include <overlap/process/portable_task.hpp>
#include <overlap/process/process_usage.hpp>
#include <overlap/process/worker_memory.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/eventfd.h>
#include <sys/types.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace overlap {

/// `workers` tasks are in flight at once, each in a worker process; the calling process only waits.
///
/// Workers see the memory and descriptors of the moment when the pool was made. Make it before any
/// thread exists (the constructor insists), use it from the thread that made it, and keep that
/// thread alive: the workers are killed when it ends. A gather inside a task runs in that task's
/// worker, one task after another.
///
/// A worker that dies (a signal, _exit) costs the task that it ran: gather throws worker_died for
/// it, all other tasks run, a new worker is forked from the process as it is then, and the next
/// gather finds the pool whole. Exceptions cross over as task_failure describes.
class process_pool : public blocking_calls {
public:
    /// Forks the workers. Throws std::invalid_argument for 0 workers, std::logic_error when the
    /// process has threads already, and limit_error when a worker cannot be forked.
    explicit process_pool(std::size_t workers = available_cores())
        : memory_(at_least_one_worker(workers, name())), workers_(workers), polled_(workers + 1),
          finished_(check_errno(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")) {
        refuse_threads(name());
        for (std::size_t i = 0; i < workers; ++i) {
            const int error = start_worker(i);
            if (error != 0) {
                throw limit_met(name(), "worker process", i, workers, error, process_demand);
            }
        }
    }
    process_pool(const process_pool&) = delete;  // Workers know this object by its address.
    process_pool& operator=(const process_pool&) = delete;

    [[nodiscard]] static constexpr const char* name() noexcept { return "process_pool"; }
    [[nodiscard]] std::size_t task_limit() const noexcept { return workers_.size(); }

    /// What the living workers have used, as of the end of the last gather: each has published its
    /// usage before that gather returned. Those that died are in RUSAGE_CHILDREN.
    [[nodiscard]] process_usage children_usage() const noexcept {
        process_usage sum;
        for (std::size_t i = 0; i < workers_.size(); ++i) sum += memory_.worker(i).usage;
        return sum;
    }

    /// The process ids of the living workers.
    [[nodiscard]] std::vector<pid_t> worker_ids() const {
        std::vector<pid_t> ids;
        for (const auto& worker : workers_) {
            if (worker.exists()) ids.push_back(worker.id());
        }
        return ids;
    }

    template <class Root>
    static decltype(auto) run(Root&& root) {
        return root();
    }

    /// Throws what the task of the lowest index threw or worker_died, and limit_error when the
    /// results need more memory than there is or when no worker is left and none can be forked.
    template <class Body>
    auto gather(std::size_t n, const Body& body) {
        using task = portable_task<Body>;
        if (in_worker_) {
            task_results<typename task::result> results(n);
            for (std::size_t index = 0; index < n; ++index) results.run(body, index);
            return results.take();
        }
        detail::gather_description gather(n, sizeof(Body), alignof(Body), task::result_size,
                                          task::result_alignment);
        gather.run = &run_range<Body>;
        memory_.describe(gather);
        std::memcpy(memory_.data() + gather.body, &body, sizeof(Body));
        run_passes();
        throw_failure();
        return task::collect(memory_.data() + gather.results, n);
    }

private:
    template <class Body>
    static void run_range(const detail::gather_description& gather, std::byte* memory,
                          task_range range, detail::worker_record& self) noexcept {
        const Body& body = *reinterpret_cast<const Body*>(memory + gather.body);
        const auto states = gather.states_in(memory);
        for (std::size_t index = range.first; index < range.last; ++index) {
            if (states[index] != task_state::waiting) continue;  // An earlier pass ran it.
            self.task.store(index, std::memory_order_release);
            try {
                portable_task<Body>::run(body, index, memory + gather.results);
                states[index] = task_state::returned;
            } catch (...) {
                // A pass takes tasks in order, but a later pass may come back to lower ones.
                if (index < self.failure.index()) self.failure.record(index);
                states[index] = task_state::threw;
            }
        }
    }

    /// What a worker does all its life. It ends by being killed: it holds nothing that needs care.
    [[noreturn]] void work(detail::worker_record& self) noexcept {
        in_worker_ = true;
        workers_.clear();  // Its copies of the descriptors of its siblings.
        for (;;) {
            const std::uint32_t pass = memory_.wait_for_pass(self);
            try {
                memory_.run_tasks(self);
            } catch (const limit_error&) {
                ::_exit(EXIT_FAILURE);  // A death like any other, in the eyes of the parent.
            }
            std::fflush(nullptr);
            self.usage = usage_of(RUSAGE_SELF);
            self.usage += usage_of(RUSAGE_CHILDREN);
            self.finished.store(pass);
            if (memory_.all_finished(pass)) ::eventfd_write(finished_.get(), 1);
        }
    }

    /// Forks a worker into an empty place; 0, or the errno value that says why not. The worker
    /// takes part in the present pass unless its record says that its place has finished that.
    int start_worker(std::size_t index) {
        detail::worker_record& record = memory_.worker(index);
        record.task.store(detail::worker_record::no_task);
        record.usage = {};
        const pid_t child = fork_for_tasks();
        if (child < 0) return errno;
        if (child == 0) work(record);
        child_process worker(child);
        // Without one, nobody would learn of its death.
        if (worker.descriptor() < 0) throw_errno(errno, "pidfd_open for a worker process");
        workers_[index] = std::move(worker);
        return 0;
    }

    void run_passes() {
        lost_.reset();
        vain_deaths_ = 0;
        try {
            do {
                begin_pass();
                wait_for_pass();
            } while (pass_had_death_ && any_task_waits());
        } catch (...) {
            // Nobody may be left at work on tasks that nobody waits for any more.
            for (auto& worker : workers_) worker = child_process();
            throw;
        }
    }

    void begin_pass() {
        pass_had_death_ = false;
        int error = 0;
        for (std::size_t i = 0; i < workers_.size(); ++i) {
            if (workers_[i].exists() || too_many_died()) continue;
            memory_.worker(i).finished.store(memory_.pass());
            error = start_worker(i);
        }
        if (std::ranges::none_of(workers_, &child_process::exists)) throw_no_worker(error);
        for (std::size_t i = 0; i < workers_.size(); ++i) {
            if (!workers_[i].exists()) memory_.worker(i).finished.store(memory_.pass() + 1);
        }
        memory_.begin_pass();
    }

    void wait_for_pass() {
        const std::uint32_t pass = memory_.pass();
        while (!memory_.all_finished(pass)) {
            for (std::size_t i = 0; i < workers_.size(); ++i) {
                polled_[i] = {.fd = workers_[i].descriptor(), .events = POLLIN, .revents = 0};
            }
            polled_.back() = {.fd = finished_.get(), .events = POLLIN, .revents = 0};
            if (::poll(polled_.data(), polled_.size(), -1) < 0) {
                if (errno == EINTR) continue;
                throw_errno(errno, "poll for the workers");
            }
            if (polled_.back().revents != 0) {
                eventfd_t count = 0;
                ::eventfd_read(finished_.get(), &count);
            }
            for (std::size_t i = 0; i < workers_.size(); ++i) {
                if (polled_[i].revents != 0) replace(i, pass);
            }
        }
    }

    /// Notes what the death of a worker cost, and forks another in its place.
    void replace(std::size_t index, std::uint32_t pass) {
        detail::worker_record& record = memory_.worker(index);
        const pid_t id = workers_[index].id();
        last_death_ = describe_end(id, workers_[index].wait()) + " (worker " +
                      std::to_string(index + 1) + " of " + std::to_string(workers_.size()) + ')';
        pass_had_death_ = true;
        const std::size_t task = record.task.load();
        const auto states = memory_.states();
        if (task < states.size() && states[task] == task_state::waiting) {
            states[task] = task_state::lost;
            if (!lost_ || task < lost_->task) lost_ = lost_task{task, last_death_};
        } else {
            ++vain_deaths_;
        }
        if (too_many_died() || start_worker(index) != 0) record.finished.store(pass);
    }

    /// Whether workers keep dying without a task to blame, so that forking more is pointless.
    [[nodiscard]] bool too_many_died() const noexcept { return vain_deaths_ > 2 * workers_.size(); }

    [[nodiscard]] bool any_task_waits() const noexcept {
        return std::ranges::find(memory_.states(), task_state::waiting) != memory_.states().end();
    }

    [[noreturn]] void throw_no_worker(int error) const {
        if (error == 0)
            throw worker_died(last_death_ + " before it ran a task, as did those before");
        throw limit_met(name(), "worker process", 0, workers_.size(), error, process_demand);
    }

    void throw_failure() const {
        const task_failure* lowest = nullptr;
        for (std::size_t i = 0; i < workers_.size(); ++i) {
            const task_failure& failure = memory_.worker(i).failure;
            if (failure.index() == task_failure::no_task) continue;
            if (lowest == nullptr || failure.index() < lowest->index()) lowest = &failure;
        }
        if (lost_ && (lowest == nullptr || lost_->task < lowest->index())) {
            throw worker_died(lost_->words + " while it ran task " + std::to_string(lost_->task));
        }
        if (lowest != nullptr) lowest->rethrow();
    }

    struct lost_task {
        std::size_t task;
        std::string words;  // How the worker died that ran it.
    };

    detail::worker_memory memory_;
    std::vector<child_process> workers_;
    std::vector<pollfd> polled_;
    unique_descriptor finished_;  // An eventfd: written when all workers have finished a pass.
    bool in_worker_ = false;      // True in a worker's copy of this object, and nowhere else.

    // Of the gather under way.
    bool pass_had_death_ = false;
    std::size_t vain_deaths_ = 0;
    std::string last_death_;
    std::optional<lost_task> lost_;  // The lowest.
};

static_assert(direct_runtime<process_pool>);

}  // namespace overlap
