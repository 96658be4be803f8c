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
#include "../cpp/callback_tasks.hpp"

#include <algorithm>
#include <cstring>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/listener.h>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

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

/// Rounded up to what libevent counts in.
timeval time_of(std::int64_t ns) {
    const std::int64_t us = (std::max<std::int64_t>(ns, 0) + 999) / 1000;
    return {.tv_sec = us / 1'000'000, .tv_usec = us % 1'000'000};
}

struct libevent_loop {
    class timer {
    public:
        template <class Task>
        void init(Task* task) {
            const auto on_time = [](evutil_socket_t, short, void* self) {
                static_cast<Task*>(self)->wake();
            };
            check(evtimer_assign(&event_, base, on_time, task) == 0, "evtimer_assign");
        }
        void wait(std::int64_t ns) {
            const timeval delay = time_of(ns);
            check(evtimer_add(&event_, &delay) == 0, "evtimer_add");
        }

    private:
        event event_;
    };
    struct turn : timer {
        void wait() { timer::wait(0); }
    };
    static void run() { check(event_base_dispatch(base) != -1, "event_base_dispatch"); }
    static void look_at_clock() {
        check(event_base_update_cache_time(base) == 0, "event_base_update_cache_time");
    }
};

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

class libevent_workloads final : public callback_workloads<libevent_loop> {
public:
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
        libevent_loop::run();
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
