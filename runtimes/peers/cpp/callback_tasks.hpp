// The tasks of loops with callbacks and timers, whichever loop it is: each is an object that is called when it is
// its turn.
#pragma once

#include "protocol.hpp"

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <vector>

inline std::int64_t now_ns() {
    return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

namespace tasks {

/// A task, as far as loops know it.
struct woken {
    void wake() {}
};

}  // namespace tasks

/// A loop on one thread. Its clock may be behind, so that who waits may be called early.
template <class Loop>
concept callback_loop =
    requires(Loop::timer timer, Loop::turn turn, tasks::woken* task, std::int64_t ns) {
        timer.init(task);  // Any type that has wake().
        timer.wait(ns);    // To be called after so many nanoseconds.
        turn.init(task);
        turn.wait();            // To be called when the loop has seen to what else is due.
        Loop::run();            // Returns when nothing is left to be done.
        Loop::look_at_clock();  // To be called where a callback has taken long.
    };

namespace tasks {

/// What all tasks are: what calls wake() of the task, and when it was in flight.
template <class Task, class Watcher>
class watched {
public:
    void start(flight_log* log) {
        if (log != nullptr) flight_ = note_start(log);
        watcher_.init(static_cast<Task*>(this));
    }
    void end() {
        if (flight_ != nullptr) note_end(flight_);
    }

protected:
    Watcher watcher_;

private:
    flight* flight_ = nullptr;
};

template <callback_loop Loop>
std::uint64_t compute(std::uint32_t state, std::uint32_t work) {
    const std::uint64_t value = leaf_value(state, work);
    Loop::look_at_clock();
    return value;
}

template <callback_loop Loop>
struct sleeper : watched<sleeper<Loop>, typename Loop::timer> {
    std::int64_t deadline_ns = 0;
    std::int64_t* late_ns = nullptr;

    void wait(std::int64_t ns) { this->watcher_.wait(ns); }
    void wake() {
        *late_ns = now_ns() - deadline_ns;
        if (*late_ns < 0) return wait(-*late_ns);
        this->end();
    }
};

template <callback_loop Loop>
struct heart : watched<heart<Loop>, typename Loop::timer> {
    const heartbeat_case* spec = nullptr;
    pulse* seen = nullptr;
    std::int64_t first_ns = 0;
    std::int64_t last_ns = 0;
    std::size_t beats = 0;

    void wait(std::int64_t ns) { this->watcher_.wait(ns); }
    void wake() {
        const std::int64_t now = now_ns();
        const std::int64_t gap = now - last_ns;
        if (gap < spec->interval_ns) return wait(spec->interval_ns - gap);
        seen->longest_gap_ns = std::max(seen->longest_gap_ns, gap);
        last_ns = now;
        if (++beats < spec->beats) return wait(spec->interval_ns);
        seen->mean_gap_ns = (now - first_ns) / static_cast<std::int64_t>(beats);
        this->end();
    }
};

template <callback_loop Loop>
struct computer : watched<computer<Loop>, typename Loop::turn> {
    const heartbeat_case* spec = nullptr;
    std::uint64_t* value = nullptr;
    std::uint32_t next_state = 0;
    std::size_t parts = 0;

    void yield() { this->watcher_.wait(); }
    void wake() {
        *value += compute<Loop>(next_state++, spec->work);
        if (++parts < spec->parts) return yield();
        this->end();
    }
};

template <callback_loop Loop>
struct mixer : watched<mixer<Loop>, typename Loop::timer> {
    const mix_case* spec = nullptr;
    std::int64_t deadline_ns = 0;
    std::uint64_t* sum = nullptr;
    std::uint32_t next_state = 0;
    std::size_t rounds = 0;

    void wait_once() {
        deadline_ns = now_ns() + spec->wait_ns;
        this->watcher_.wait(spec->wait_ns);
    }
    void wake() {
        if (const std::int64_t early = deadline_ns - now_ns(); early > 0)
            return this->watcher_.wait(early);
        *sum += compute<Loop>(next_state++, spec->work);
        if (++rounds < spec->rounds) return wait_once();
        this->end();
    }
};

template <callback_loop Loop>
struct branch;

template <callback_loop Loop>
struct leaf : watched<leaf<Loop>, typename Loop::turn> {
    branch<Loop>* parent = nullptr;
    std::uint64_t* value = nullptr;
    std::uint32_t state = 0;
    std::uint32_t work = 0;

    void yield() { this->watcher_.wait(); }
    void wake() {
        *value = leaf_value(state, work);
        this->end();
        child_ended(parent);  // May free this task, and is therefore last.
    }
};

/// A task that gathers, either leaves or branches; the root is one.
template <callback_loop Loop>
struct branch {
    branch* parent = nullptr;
    std::uint64_t* value = nullptr;   // Where its parent wants its own.
    std::span<std::uint64_t> values;  // Of its children, in order.
    std::unique_ptr<std::uint64_t[]> own_values;
    std::unique_ptr<leaf<Loop>[]> leaves;
    std::unique_ptr<branch[]> branches;
    std::size_t running = 0;
    flight* flown = nullptr;
};

template <callback_loop Loop>
void child_ended(branch<Loop>* self) {
    while (--self->running == 0) {
        self->leaves.reset();
        self->branches.reset();
        if (self->parent == nullptr) return;
        *self->value = std::accumulate(self->values.begin(), self->values.end(), std::uint64_t{0});
        if (self->flown != nullptr) note_end(self->flown);
        self = self->parent;
    }
}

/// Starts the children of a task that has a position in its level and `depth` levels below it.
template <callback_loop Loop>
void start_children(const gather_case& spec, branch<Loop>& self, std::size_t position,
                    std::size_t depth, flight_log* log) {
    self.running = spec.fan_out;
    if (depth == 1) {
        self.leaves = std::make_unique<leaf<Loop>[]>(spec.fan_out);
        for (std::size_t i = 0; i < spec.fan_out; ++i) {
            const std::size_t index = position * spec.fan_out + i;
            leaf<Loop>& child = self.leaves[i];
            child.parent = &self;
            child.value = &self.values[i];
            child.state = leaf_state(spec.seed, index);
            child.work = work_of(&spec, index);
            child.start(log);
            child.yield();
        }
        return;
    }
    self.branches = std::make_unique<branch<Loop>[]>(spec.fan_out);
    for (std::size_t i = 0; i < spec.fan_out; ++i) {
        branch<Loop>& child = self.branches[i];
        child.parent = &self;
        child.value = &self.values[i];
        child.own_values = std::make_unique<std::uint64_t[]>(spec.fan_out);
        child.values = {child.own_values.get(), spec.fan_out};
        if (log != nullptr) child.flown = note_start(log);
        start_children(spec, child, position * spec.fan_out + i, depth - 1, log);
    }
}

}  // namespace tasks

/// What such a loop does of the workloads; a peer adds its echo.
template <callback_loop Loop>
class callback_workloads : public workloads {
public:
    void sleeps(const sleeps_case& spec, std::span<std::int64_t> late_ns,
                flight_log* log) override {
        std::vector<tasks::sleeper<Loop>> all(spec.tasks);
        for (std::size_t i = 0; i < spec.tasks; ++i) {
            const std::int64_t delay = delay_ns(&spec, i);
            all[i].late_ns = &late_ns[i];
            all[i].start(log);
            all[i].deadline_ns = now_ns() + delay;
            all[i].wait(delay);
        }
        Loop::run();
    }
    void gather_tree(const gather_case& spec, std::span<std::uint64_t> values,
                     flight_log* log) override {
        tasks::branch<Loop> root;
        root.values = values;
        tasks::start_children(spec, root, 0, spec.depth, log);
        Loop::run();
    }
    void heartbeat(const heartbeat_case& spec, std::span<pulse> pulses, flight_log* log) override {
        tasks::heart<Loop> beating;
        beating.spec = &spec;
        beating.seen = &pulses[0];
        beating.start(log);
        beating.first_ns = beating.last_ns = now_ns();
        beating.wait(spec.interval_ns);
        std::vector<tasks::computer<Loop>> computers(spec.tasks);
        for (std::size_t i = 0; i < spec.tasks; ++i) {
            computers[i].spec = &spec;
            computers[i].value = &pulses[i + 1].value;
            computers[i].next_state = leaf_state(spec.seed, i * spec.parts);
            computers[i].start(log);
            computers[i].yield();
        }
        Loop::run();
    }
    void mix(const mix_case& spec, std::span<std::uint64_t> sums, flight_log* log) override {
        std::vector<tasks::mixer<Loop>> all(spec.tasks);
        for (std::size_t i = 0; i < spec.tasks; ++i) {
            sums[i] = 0;
            all[i].spec = &spec;
            all[i].sum = &sums[i];
            all[i].next_state = leaf_state(spec.seed, i * spec.rounds);
            all[i].start(log);
            all[i].wait_once();
        }
        Loop::run();
    }
};
