#include "closed_loop.hpp"

#include "connect.hpp"
#include "payload.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <span>
#include <sstream>
#include <string>
#include <sys/epoll.h>
#include <sys/resource.h>

namespace overlap::load {
namespace {

constexpr std::size_t batch = 256;  // events taken from one epoll_wait

// A read always asks for more than is due, so that bytes too many are seen with the reply itself.
constexpr std::size_t smallest_read = std::size_t{64} << 10;
constexpr std::size_t largest_read = std::size_t{1} << 20;

// How long a server may take to end its side after everything has been measured.
constexpr std::uint64_t farewell_ns = 1'000'000'000;

std::uint64_t now_ns() noexcept {
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

double own_cpu_s() {
    timespec used{};
    check_errno(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used), "clock_gettime");
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

double seconds(std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) * 1e-9; }

struct connection {
    unique_descriptor socket;
    std::size_t messages_done = 0;
    std::size_t sent = 0;      // bytes of the current message
    std::size_t received = 0;  // likewise
    std::uint64_t first_sent_ns = 0;
    std::uint64_t sent_ns = 0;
    std::uint64_t heard_ns = 0;  // when bytes last came back
    bool ended = false;          // the server's end of file has been seen
};

class generator {
public:
    explicit generator(const load_options& options)
        : options_(options), epoll_(check_errno(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
          timeout_ns_(static_cast<std::uint64_t>(options.timeout.count())),
          at_once_(std::min(options.at_once, options.connections)),
          messages_(2 * options.connections * options.bytes),
          incoming_(std::clamp(options.bytes + 1, smallest_read, largest_read)) {
        result_.connections = options.connections;
        result_.bytes = options.bytes;
        result_.latencies_ns.resize(options.connections * options.messages);
        connections_.reserve(options.connections);
        for (unique_descriptor& socket : connect_all(options, epoll_.get())) {
            connections_.push_back({.socket = std::move(socket)});
            prepare(connections_.back(), 0);
            prepare(connections_.back(), 1);
        }
    }

    load_result run() {
        const double cpu_before = own_cpu_s();
        const std::uint64_t start = now_ns();
        for (connection& each : connections_) {
            start_message(each);
            each.first_sent_ns = each.sent_ns;
        }
        next_check_ns_ = start;
        while (finished_ < connections_.size()) iterate();
        result_.cpu_s = own_cpu_s() - cpu_before;
        result_.wall_s = seconds(last_reply_ns_ - start);
        result_.idle_s = seconds(idle_ns_);
        const std::uint64_t farewell = now_ns() + std::min(farewell_ns, timeout_ns_);
        while (ended_ < connections_.size() && now_ns() < farewell) iterate();
        return std::move(result_);
    }

private:
    void iterate() {
        std::array<epoll_event, batch> events;
        const std::uint64_t before = now_ns();
        const int count = ::epoll_wait(epoll_.get(), events.data(), batch, check_interval_ms());
        const std::uint64_t after = now_ns();
        if (count < 0 && errno != EINTR) throw_errno(errno, "epoll_wait");
        idle_ns_ += after - before;
        for (int i = 0; i < count; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            advance(connections_[event.data.u64], event.events);
        }
        if (after >= next_check_ns_) check_timeouts(after);
    }

    // One read is enough unless it fills the buffer or the server has ended: epoll(7) lets a short
    // read stand for an empty socket, and the end of file has no edge of its own if it came along.
    void advance(connection& from, std::uint32_t events) {
        while (!from.ended) {
            const ssize_t count = ::recv(from.socket.get(), incoming_.data(), incoming_.size(), 0);
            if (count > 0) {
                take_reply(from, {incoming_.data(), static_cast<std::size_t>(count)});
                if (static_cast<std::size_t>(count) == incoming_.size()) continue;
                if ((events & (EPOLLRDHUP | EPOLLHUP)) == 0) break;
            } else if (count == 0) {
                end(from);
            } else if (errno == EAGAIN) {
                break;
            } else if (errno != EINTR) {
                if (!is_finished(from)) fail(from, std::string("reading: ") + std::strerror(errno));
                end(from);  // a reset after the last reply is rude, but nothing is missing
            }
        }
        if (!is_finished(from) && from.sent < options_.bytes) send_rest(from);
    }

    // The next message leaves before the reply is compared: the time between them is not the
    // server's, and a closed loop has nothing outstanding in it.
    void take_reply(connection& from, std::span<const std::byte> reply) {
        const std::size_t due = is_finished(from) ? 0 : options_.bytes - from.received;
        if (reply.size() > due) {
            fail(from, "more came back than was sent (extra bytes: " +
                           std::to_string(reply.size() - due) + "): " + quoted(reply) +
                           "; not an echo server?");
        }
        const std::size_t message = from.messages_done;
        const std::size_t offset = from.received;
        from.received += reply.size();
        from.heard_ns = now_ns();
        const bool whole = from.received == options_.bytes;
        if (whole) turn_around(from);
        compare(from, message, offset, reply);
        result_.bytes_echoed += reply.size();
        if (whole) prepare(from, message + 2);
    }

    void turn_around(connection& at) {
        const std::uint64_t now = now_ns();
        result_.latencies_ns[replies_++] = now - at.sent_ns;
        if (++at.messages_done == 1) ++answered_;
        if (at.messages_done < options_.messages) {
            start_message(at);
        } else {
            finish(at, now);
        }
        if (at.messages_done == 1 && answered_ == at_once_) end_those_held();
    }

    void compare(const connection& from, std::size_t message, std::size_t offset,
                 std::span<const std::byte> reply) {
        const std::byte* expected = bytes_of(from, message).data() + offset;
        if (std::memcmp(reply.data(), expected, reply.size()) == 0) return;
        const auto wrong = std::mismatch(reply.begin(), reply.end(), expected).first;
        fail(from, message,
             "byte " +
                 std::to_string(offset + static_cast<std::size_t>(wrong - reply.begin()) + 1) +
                 " of " + std::to_string(options_.bytes) + " came back changed: " + quoted(reply) +
                 "; not an echo server?");
    }

    void prepare(const connection& at, std::size_t message) {
        if (message >= options_.messages) return;
        fill_message(bytes_of(at, message), options_.seed, index_of(at), message);
    }

    void start_message(connection& to) {
        to.sent = 0;
        to.received = 0;
        to.sent_ns = now_ns();
        send_rest(to);
    }

    void send_rest(connection& to) {
        while (to.sent < options_.bytes) {
            const std::span<const std::byte> rest = bytes_of(to, to.messages_done).subspan(to.sent);
            const ssize_t count = ::send(to.socket.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
            if (count >= 0) {
                to.sent += static_cast<std::size_t>(count);
            } else if (errno == EAGAIN) {
                return;
            } else if (errno != EINTR) {
                fail(to, std::string("sending: ") + std::strerror(errno));
            }
        }
    }

    void finish(connection& at, std::uint64_t now) {
        ++finished_;
        last_reply_ns_ = now;
        result_.outstanding_s += seconds(now - at.first_sent_ns);
        if (answered_ >= at_once_) ::shutdown(at.socket.get(), SHUT_WR);
    }

    // Of a server that serves fewer at once, one whose turn does not come until another has ended
    // waits for ever.
    void end_those_held() {
        for (const connection& each : connections_) {
            if (is_finished(each)) ::shutdown(each.socket.get(), SHUT_WR);
        }
    }

    void end(connection& at) {
        if (!is_finished(at)) fail(at, "the server closed the connection after " + heard(at));
        at.ended = true;
        ++ended_;
    }

    void check_timeouts(std::uint64_t now) {
        next_check_ns_ = now + timeout_ns_ / 8;
        for (connection& each : connections_) {
            if (!is_finished(each) && now > each.sent_ns && now - each.sent_ns > timeout_ns_) {
                std::ostringstream limit;
                limit << "no whole reply within the timeout of " << seconds(timeout_ns_) << " s";
                if (answered_ < at_once_ && at_once_ > 1) {
                    limit << ", while " << answered_ << " of the " << at_once_
                          << " that should be served at once had one and stayed open";
                } else {
                    limit << ": " << heard(each) << why_so_little(each, now);
                }
                fail(each, limit.str());
            }
        }
    }

    [[nodiscard]] std::string heard(const connection& at) const {
        if (at.received == 0) return "no byte of this message";
        return std::to_string(at.received) + " of " + std::to_string(options_.bytes) +
               " bytes of this message";
    }

    // What servers that are no echo servers, or not of this kind, do instead.
    [[nodiscard]] std::string why_so_little(const connection& at, std::uint64_t now) const {
        if (at.sent < options_.bytes) {
            return " (only " + std::to_string(at.sent) + " could be sent: does the server read?)";
        }
        if (at.received == 0 && at.messages_done == 0) {
            return " (does the server wait for the end of a line, or echo only whole buffers?)";
        }
        if (at.received > 0 && at.heard_ns + timeout_ns_ / 2 > now) return ", and more still come";
        return "";
    }

    [[noreturn]] void fail(const connection& at, const std::string& what) {
        fail(at, std::min(at.messages_done, options_.messages - 1), what);
    }

    [[noreturn]] void fail(const connection& at, std::size_t message, const std::string& what) {
        throw load_error("connection " + std::to_string(index_of(at) + 1) + " of " +
                         std::to_string(options_.connections) + ", message " +
                         std::to_string(message + 1) + " of " + std::to_string(options_.messages) +
                         ": " + what);
    }

    [[nodiscard]] bool is_finished(const connection& at) const {
        return at.messages_done == options_.messages;
    }
    [[nodiscard]] std::size_t index_of(const connection& at) const {
        return static_cast<std::size_t>(&at - connections_.data());
    }
    std::span<std::byte> bytes_of(const connection& at, std::size_t message) {
        const std::size_t slot = 2 * index_of(at) + message % 2;
        return std::span(messages_).subspan(slot * options_.bytes, options_.bytes);
    }
    [[nodiscard]] int check_interval_ms() const {
        return static_cast<int>(timeout_ns_ / 8'000'000 + 1);
    }

    const load_options& options_;
    unique_descriptor epoll_;
    std::uint64_t timeout_ns_;
    std::size_t at_once_;
    std::vector<std::byte> messages_;  // two for each connection: the current one and the next
    std::vector<std::byte> incoming_;  // shared: what is read is compared at once
    std::vector<connection> connections_;
    std::size_t replies_ = 0;
    std::size_t answered_ = 0;  // connections that have had a reply
    std::size_t finished_ = 0;
    std::size_t ended_ = 0;
    std::uint64_t idle_ns_ = 0;
    std::uint64_t last_reply_ns_ = 0;
    std::uint64_t next_check_ns_ = 0;
    load_result result_;
};

}  // namespace

load_result run_closed_loop(const load_options& options) { return generator(options).run(); }

}  // namespace overlap::load
