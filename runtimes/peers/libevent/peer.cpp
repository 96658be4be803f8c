// libevent on one thread: callbacks on one event_base.
//
// * EVENT_BASE_FLAG_PRECISE_TIMER: without it libevent reads a coarse clock, and epoll_wait(2) waits for
//   whole milliseconds. EVENT_BASE_FLAG_NOLOCK: one thread needs no locks.
// * Who yields is a timer of no time. event_active() would call back before the loop asks for I/O and
//   timers once more, so that tasks which yield again and again would keep all others waiting.
// * Events stand in their tasks, by event_assign(), which the documentation has for programs where
//   event_new()'s allocation of each counts.
// * echo is the documentation's own server: a listener, a bufferevent for each connection, whose input is
//   moved to its output.
// * A callback that may take long has the loop look at its clock again: delays are counted from then.
#include "../cpp/protocol.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/listener.h>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <numeric>
#include <sys/socket.h>
#include <vector>

namespace {

/// Ends the program if one of libevent's functions says that it has failed.
void check(bool good, const char* what) {
    if (!good) tell_error(std::string(what) + ": " + std::strerror(errno));
}

event_base* new_base() {
    event_config* config = event_config_new();
    check(config != nullptr, "event_config_new");
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER);
    event_base* base = event_base_new_with_config(config);
    check(base != nullptr, "event_base_new_with_config");
    event_config_free(config);
    return base;
}

event_base* const base = new_base();

/// Returns when nothing is left to be done.
void run_loop() { check(event_base_dispatch(base) != -1, "event_base_dispatch"); }

std::int64_t now_ns() {
    return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Rounded up to what libevent counts in.
timeval time_of(std::int64_t ns) {
    const std::int64_t us = (std::max<std::int64_t>(ns, 0) + 999) / 1000;
    return {.tv_sec = us / 1'000'000, .tv_usec = us % 1'000'000};
}

std::uint64_t compute(std::uint32_t state, std::uint32_t work) {
    const std::uint64_t value = leaf_value(state, work);
    check(event_base_update_cache_time(base) == 0, "event_base_update_cache_time");
    return value;
}

/// What all tasks are: a timer that calls wake() of the task, and when it was in flight. The loop's
/// clock may be behind, so that a task may wake early: it has to wait once more, then.
template <class Task>
class timed_task {
public:
    void start(flight_log* log) {
        if (log != nullptr) flight_ = note_start(log);
        const auto on_wake = [](evutil_socket_t, short, void* self) {
            static_cast<Task*>(self)->wake();
        };
        check(evtimer_assign(&timer_, base, on_wake, static_cast<Task*>(this)) == 0,
              "evtimer_assign");
    }
    void wait(std::int64_t ns) {
        const timeval delay = time_of(ns);
        check(evtimer_add(&timer_, &delay) == 0, "evtimer_add");
    }
    void yield() { wait(0); }
    void end() {
        if (flight_ != nullptr) note_end(flight_);
    }

private:
    event timer_;
    flight* flight_ = nullptr;
};

struct sleeper : timed_task<sleeper> {
    std::int64_t deadline_ns = 0;
    std::int64_t* late_ns = nullptr;

    void wake() {
        *late_ns = now_ns() - deadline_ns;
        if (*late_ns < 0) return wait(-*late_ns);
        end();
    }
};

struct heart : timed_task<heart> {
    const heartbeat_case* spec = nullptr;
    pulse* seen = nullptr;
    std::int64_t first_ns = 0;
    std::int64_t last_ns = 0;
    std::size_t beats = 0;

    void wake() {
        const std::int64_t now = now_ns();
        const std::int64_t gap = now - last_ns;
        if (gap < spec->interval_ns) return wait(spec->interval_ns - gap);
        seen->longest_gap_ns = std::max(seen->longest_gap_ns, gap);
        last_ns = now;
        if (++beats < spec->beats) return wait(spec->interval_ns);
        seen->mean_gap_ns = (now - first_ns) / static_cast<std::int64_t>(beats);
        end();
    }
};

struct computer : timed_task<computer> {
    const heartbeat_case* spec = nullptr;
    std::uint64_t* value = nullptr;
    std::uint32_t next_state = 0;
    std::size_t parts = 0;

    void wake() {
        *value += compute(next_state++, spec->work);
        if (++parts < spec->parts) return yield();
        end();
    }
};

struct mixer : timed_task<mixer> {
    const mix_case* spec = nullptr;
    std::int64_t deadline_ns = 0;
    std::uint64_t* sum = nullptr;
    std::uint32_t next_state = 0;
    std::size_t rounds = 0;

    void wait_once() {
        deadline_ns = now_ns() + spec->wait_ns;
        wait(spec->wait_ns);
    }
    void wake() {
        if (const std::int64_t early = deadline_ns - now_ns(); early > 0) return wait(early);
        *sum += compute(next_state++, spec->work);
        if (++rounds < spec->rounds) return wait_once();
        end();
    }
};

struct branch;

struct leaf : timed_task<leaf> {
    branch* parent = nullptr;
    std::uint64_t* value = nullptr;
    std::uint32_t state = 0;
    std::uint32_t work = 0;

    void wake();
};

/// A task that gathers, either leaves or branches; the root is one.
struct branch {
    branch* parent = nullptr;
    std::uint64_t* value = nullptr;   // Where its parent wants its own.
    std::span<std::uint64_t> values;  // Of its children, in order.
    std::unique_ptr<std::uint64_t[]> own_values;
    std::unique_ptr<leaf[]> leaves;
    std::unique_ptr<branch[]> branches;
    std::size_t running = 0;
    flight* flown = nullptr;
};

void child_ended(branch* self) {
    while (--self->running == 0) {
        self->leaves.reset();
        self->branches.reset();
        if (self->parent == nullptr) return;
        *self->value = std::accumulate(self->values.begin(), self->values.end(), std::uint64_t{0});
        if (self->flown != nullptr) note_end(self->flown);
        self = self->parent;
    }
}

void leaf::wake() {
    *value = leaf_value(state, work);
    end();
    child_ended(parent);  // May free this task, and is therefore last.
}

/// Starts the children of a task that has a position in its level and `depth` levels below it.
void start_children(const gather_case& spec, branch& self, std::size_t position, std::size_t depth,
                    flight_log* log) {
    self.running = spec.fan_out;
    if (depth == 1) {
        self.leaves = std::make_unique<leaf[]>(spec.fan_out);
        for (std::size_t i = 0; i < spec.fan_out; ++i) {
            const std::size_t index = position * spec.fan_out + i;
            leaf& child = self.leaves[i];
            child.parent = &self;
            child.value = &self.values[i];
            child.state = leaf_state(spec.seed, index);
            child.work = work_of(&spec, index);
            child.start(log);
            child.yield();
        }
        return;
    }
    self.branches = std::make_unique<branch[]>(spec.fan_out);
    for (std::size_t i = 0; i < spec.fan_out; ++i) {
        branch& child = self.branches[i];
        child.parent = &self;
        child.value = &self.values[i];
        child.own_values = std::make_unique<std::uint64_t[]>(spec.fan_out);
        child.values = {child.own_values.get(), spec.fan_out};
        if (log != nullptr) child.flown = note_start(log);
        start_children(spec, child, position * spec.fan_out + i, depth - 1, log);
    }
}

struct server {
    const echo_case* spec;
    std::span<std::uint64_t> echoed;
    flight_log* log;
    std::size_t accepted = 0;
};

struct connection {
    std::uint64_t* echoed;
    flight* flown;
};

void on_read(bufferevent* stream, void* self) {
    evbuffer* input = bufferevent_get_input(stream);
    *static_cast<connection*>(self)->echoed += evbuffer_get_length(input);
    check(evbuffer_add_buffer(bufferevent_get_output(stream), input) == 0, "evbuffer_add_buffer");
}

void on_event(bufferevent* stream, short what, void* self) {
    if ((what & BEV_EVENT_TIMEOUT) != 0) tell_error("a read has timed out");
    check((what & BEV_EVENT_ERROR) == 0, "bufferevent");
    const std::unique_ptr<connection> ended(static_cast<connection*>(self));
    if (ended->flown != nullptr) note_end(ended->flown);
    bufferevent_free(stream);
}

void on_connection(evconnlistener* listener, evutil_socket_t fd, sockaddr*, int, void* context) {
    server& self = *static_cast<server*>(context);
    const int yes = 1;
    check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0, "TCP_NODELAY");
    bufferevent* stream = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    check(stream != nullptr, "bufferevent_socket_new");
    bufferevent_set_max_single_read(stream, self.spec->buffer_bytes);
    auto* served = new connection{.echoed = &self.echoed[self.accepted++],
                                  .flown = self.log != nullptr ? note_start(self.log) : nullptr};
    bufferevent_setcb(stream, on_read, nullptr, on_event, served);
    if (self.spec->deadline_ns != 0) {
        const timeval deadline = time_of(self.spec->deadline_ns);
        bufferevent_set_timeouts(stream, &deadline, nullptr);
    }
    check(bufferevent_enable(stream, EV_READ | EV_WRITE) == 0, "bufferevent_enable");
    if (self.accepted == self.spec->connections) evconnlistener_free(listener);
}

class libevent_workloads final : public workloads {
public:
    void sleeps(const sleeps_case& spec, std::span<std::int64_t> late_ns,
                flight_log* log) override {
        std::vector<sleeper> tasks(spec.tasks);
        for (std::size_t i = 0; i < spec.tasks; ++i) {
            const std::int64_t delay = delay_ns(&spec, i);
            tasks[i].late_ns = &late_ns[i];
            tasks[i].start(log);
            tasks[i].deadline_ns = now_ns() + delay;
            tasks[i].wait(delay);
        }
        run_loop();
    }
    void gather_tree(const gather_case& spec, std::span<std::uint64_t> values,
                     flight_log* log) override {
        branch root;
        root.values = values;
        start_children(spec, root, 0, spec.depth, log);
        run_loop();
    }
    void heartbeat(const heartbeat_case& spec, std::span<pulse> pulses, flight_log* log) override {
        heart beating;
        beating.spec = &spec;
        beating.seen = &pulses[0];
        beating.start(log);
        beating.first_ns = beating.last_ns = now_ns();
        beating.wait(spec.interval_ns);
        std::vector<computer> computers(spec.tasks);
        for (std::size_t i = 0; i < spec.tasks; ++i) {
            computers[i].spec = &spec;
            computers[i].value = &pulses[i + 1].value;
            computers[i].next_state = leaf_state(spec.seed, i * spec.parts);
            computers[i].start(log);
            computers[i].yield();
        }
        run_loop();
    }
    void mix(const mix_case& spec, std::span<std::uint64_t> sums, flight_log* log) override {
        std::vector<mixer> tasks(spec.tasks);
        for (std::size_t i = 0; i < spec.tasks; ++i) {
            sums[i] = 0;
            tasks[i].spec = &spec;
            tasks[i].sum = &sums[i];
            tasks[i].next_state = leaf_state(spec.seed, i * spec.rounds);
            tasks[i].start(log);
            tasks[i].wait_once();
        }
        run_loop();
    }
    std::uint16_t listen() override {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto* where = reinterpret_cast<sockaddr*>(&address);
        socklen_t size = sizeof address;
        listener_ = evconnlistener_new_bind(base, on_connection, nullptr, LEV_OPT_CLOSE_ON_FREE,
                                            most_waiting, where, sizeof address);
        check(listener_ != nullptr, "evconnlistener_new_bind");
        check(getsockname(evconnlistener_get_fd(listener_), where, &size) == 0, "getsockname");
        return ntohs(address.sin_port);
    }
    void echo(const echo_case& spec, std::span<std::uint64_t> echoed, flight_log* log) override {
        server self{.spec = &spec, .echoed = echoed, .log = log};
        std::ranges::fill(echoed, std::uint64_t{0});
        evconnlistener_set_cb(listener_, on_connection, &self);
        run_loop();
    }
    [[nodiscard]] bool has_deadlines() const override { return true; }

private:
    evconnlistener* listener_ = nullptr;  // It frees itself when all have been accepted.
};

}  // namespace

int main() {
    libevent_workloads peer;
    return serve(peer, std::string("libevent ") + event_get_version());
}
