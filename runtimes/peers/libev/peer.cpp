// libev on one thread: callbacks on its default loop.
//
// * Who yields is an idle watcher, which the documentation has for what is done when nothing else is due: the
//   loop asks for I/O and timers between two calls of it.
// * Timers are counted from when the loop last looked at the clock: a callback that may take long has it look again.
// * libev has no streams: echo reads and writes sockets when they are ready. A deadline is a timer that
//   each read starts again (`ev_timer_again`), as the documentation has it for time-outs that hardly ever come.
#include "../cpp/callback_tasks.hpp"

#include <cerrno>
#include <cstring>
#include <ev.h>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

/// Ends the program if a call has failed.
void check(bool good, const char* what) {
    if (!good) tell_error(std::string(what) + ": " + std::strerror(errno));
}

struct ev_loop* const loop = ev_default_loop(EVFLAG_AUTO);

ev_tstamp seconds(std::int64_t ns) { return static_cast<double>(ns) / 1e9; }

struct libev_loop {
    class timer {
    public:
        template <class Task>
        void init(Task* task) {
            ev_init(&timer_, [](struct ev_loop*, ev_timer* self, int) {
                static_cast<Task*>(self->data)->wake();
            });
            timer_.data = task;
        }
        void wait(std::int64_t ns) {
            ev_timer_set(&timer_, seconds(ns), 0.0);
            ev_timer_start(loop, &timer_);
        }

    private:
        ev_timer timer_;
    };
    class turn {
    public:
        template <class Task>
        void init(Task* task) {
            ev_idle_init(&idle_, [](struct ev_loop*, ev_idle* self, int) {
                ev_idle_stop(loop, self);
                static_cast<Task*>(self->data)->wake();
            });
            idle_.data = task;
        }
        void wait() { ev_idle_start(loop, &idle_); }

    private:
        ev_idle idle_;
    };
    static void run() { ev_run(loop, 0); }
    static void look_at_clock() { ev_now_update(loop); }
};

/// What a connection's task is: it reads, or writes what did not go through.
struct connection {
    ev_io ready;
    ev_timer deadline;
    std::uint64_t* echoed;
    flight* flown;
    std::vector<char> buffer;
    std::size_t held = 0;
    std::size_t sent = 0;
};

void end(connection* self) {
    ev_io_stop(loop, &self->ready);
    ev_timer_stop(loop, &self->deadline);
    if (self->flown != nullptr) note_end(self->flown);
    close(self->ready.fd);
    delete self;
}

void wait_for(connection* self, int events) {
    if (self->ready.events == events) return;
    ev_io_stop(loop, &self->ready);
    ev_io_set(&self->ready, self->ready.fd, events);
    ev_io_start(loop, &self->ready);
}

/// Returns whether all that was read is written.
bool write_held(connection* self) {
    while (self->sent < self->held) {
        const ssize_t size = send(self->ready.fd, self->buffer.data() + self->sent,
                                  self->held - self->sent, MSG_NOSIGNAL);
        if (size < 0 && errno == EAGAIN) return false;
        check(size >= 0, "send");
        self->sent += static_cast<std::size_t>(size);
    }
    return true;
}

void on_ready(struct ev_loop*, ev_io* watcher, int events) {
    auto* self = static_cast<connection*>(watcher->data);
    if ((events & EV_READ) != 0) {
        const ssize_t size = recv(watcher->fd, self->buffer.data(), self->buffer.size(), 0);
        if (size < 0 && errno == EAGAIN) return;
        check(size >= 0, "recv");
        if (size == 0) return end(self);
        self->held = static_cast<std::size_t>(size);
        self->sent = 0;
        *self->echoed += self->held;
    }
    if (!write_held(self)) return wait_for(self, EV_WRITE);
    wait_for(self, EV_READ);
    if (self->deadline.repeat > 0) ev_timer_again(loop, &self->deadline);
}

struct server {
    ev_io ready;
    const echo_case* spec;
    std::span<std::uint64_t> echoed;
    flight_log* log;
    std::size_t accepted = 0;
};

void serve_one(server& self, int fd) {
    const int yes = 1;
    check(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0, "TCP_NODELAY");
    auto* served = new connection{};
    served->echoed = &self.echoed[self.accepted++];
    served->flown = self.log != nullptr ? note_start(self.log) : nullptr;
    served->buffer.resize(self.spec->buffer_bytes);
    ev_io_init(&served->ready, on_ready, fd, EV_READ);
    served->ready.data = served;
    ev_io_start(loop, &served->ready);
    ev_init(&served->deadline,
            [](struct ev_loop*, ev_timer*, int) { tell_error("a read has timed out"); });
    served->deadline.repeat = seconds(self.spec->deadline_ns);
    if (self.spec->deadline_ns != 0) ev_timer_again(loop, &served->deadline);
}

void on_connection(struct ev_loop*, ev_io* listening, int) {
    server& self = *static_cast<server*>(listening->data);
    while (self.accepted < self.spec->connections) {
        const int fd = accept4(listening->fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && errno == EAGAIN) return;
        check(fd >= 0, "accept4");
        serve_one(self, fd);
    }
    ev_io_stop(loop, listening);
    close(listening->fd);
}

class libev_workloads final : public callback_workloads<libev_loop> {
public:
    std::uint16_t listen() override {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto* where = reinterpret_cast<sockaddr*>(&address);
        socklen_t size = sizeof address;
        listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        check(listener_ >= 0 && bind(listener_, where, size) == 0, "bind");
        check(::listen(listener_, most_waiting) == 0, "listen");
        check(getsockname(listener_, where, &size) == 0, "getsockname");
        return ntohs(address.sin_port);
    }
    void echo(const echo_case& spec, std::span<std::uint64_t> echoed, flight_log* log) override {
        server self{.ready = {}, .spec = &spec, .echoed = echoed, .log = log};
        std::ranges::fill(echoed, std::uint64_t{0});
        ev_io_init(&self.ready, on_connection, listener_, EV_READ);
        self.ready.data = &self;
        ev_io_start(loop, &self.ready);
        ev_run(loop, 0);
    }
    [[nodiscard]] bool has_deadlines() const override { return true; }

private:
    int listener_ = -1;  // Closed when all have been accepted.
};

}  // namespace

int main() {
    libev_workloads peer;
    return serve(peer, "libev " + std::to_string(ev_version_major()) + "." +
                           std::to_string(ev_version_minor()));
}
