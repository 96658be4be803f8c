#include "generator.hpp"

#include "connect.hpp"
#include "connection.hpp"
#include "gates.hpp"
#include "messages.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <span>
#include <sstream>
#include <string>
#include <sys/epoll.h>
#include <sys/prctl.h>

namespace overlap::load {
namespace {

constexpr std::size_t batch = 256;  // events taken from one epoll_wait

// A read always asks for more than is due, so that bytes too many are seen with the reply itself.
constexpr std::size_t smallest_read = std::size_t{64} << 10;
constexpr std::size_t largest_read = std::size_t{1} << 20;

// How long a server may take to end its side after everything has been measured.
constexpr std::uint64_t farewell_ns = 1'000'000'000;

// A sleeping thread wakes tens of microseconds late, so the last part of a wait is spent looking.
constexpr std::uint64_t awake_before_ns = 50'000;

std::uint64_t now_ns() noexcept {
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

double own_cpu_s() {
    timespec used{};
    check_errno(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used), "clock_gettime");
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

double seconds(std::uint64_t nanoseconds) { return static_cast<double>(nanoseconds) * 1e-9; }

/// As epoll_pwait2(2), also on kernels before Linux 5.11 or where a filter refuses the call: these wait
/// in whole milliseconds, rounded down.
int wait_for(int epoll, std::span<epoll_event> events, const timespec& longest) {
    static bool in_nanoseconds = true;
    const auto size = static_cast<int>(events.size());
    if (in_nanoseconds) {
        const int count = ::epoll_pwait2(epoll, events.data(), size, &longest, nullptr);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
        in_nanoseconds = false;
    }
    const auto milliseconds = longest.tv_sec * 1000 + longest.tv_nsec / 1'000'000;
    return ::epoll_wait(epoll, events.data(), size, static_cast<int>(milliseconds));
}

class generator {
public:
    explicit generator(const load_options& options)
        : options_(options), epoll_(check_errno(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
          timeout_ns_(static_cast<std::uint64_t>(options.timeout.count())), messages_(options),
          incoming_(std::clamp(options.bytes + 1, smallest_read, largest_read)) {
        result_.connections = options.connections;
        result_.bytes = options.bytes;
        result_.work = options.work.steps;
        result_.latencies_ns.resize(message_count(options), unanswered);
        if (options.open) {
            result_.due = schedule(options);
            result_.lateness_ns.resize(result_.due.size());
            if (options.work.steps != 0) note_who_asks();
            // Or the kernel adds 50 us to every sleep, to wake up less often.
            check_errno(::prctl(PR_SET_TIMERSLACK, 1), "prctl(PR_SET_TIMERSLACK)");
        }
        connections_.reserve(options.connections);
        for (unique_descriptor& socket : connect_all(options, epoll_.get())) {
            const std::size_t index = connections_.size();
            const std::size_t messages = options.open ? result_.due.count(index) : options.messages;
            connections_.push_back(
                {.socket = std::move(socket), .index = index, .messages = messages});
            messages_.of(index, 0);
            messages_.of(index, 1);
            if (messages > 0) ++at_once_;
        }
        at_once_ = std::min(at_once_, options.at_once);
    }

    load_result run() {
        const double cpu_before = own_cpu_s();
        start_ns_ = now_ns();
        next_check_ns_ = start_ns_;
        for (connection& each : connections_) {
            if (each.is_finished()) {
                finish(each, start_ns_);
            } else if (!options_.open) {
                each.first_due_ns = now_ns();
                start_message(each, each.first_due_ns);
            }
        }
        while (finished_ < connections_.size()) iterate();
        result_.cpu_s = own_cpu_s() - cpu_before;
        result_.wall_s = seconds(last_reply_ns_ - start_ns_);
        if (!options_.open) note_idle(last_reply_ns_);
        next_check_ns_ = now_ns() + std::min(farewell_ns, timeout_ns_);
        for (const auto farewell = next_check_ns_;
             ended_ < connections_.size() && now_ns() < farewell;) {
            iterate();
        }
        return std::move(result_);
    }

private:
    void note_who_asks() {
        const schedule& due = result_.due;
        result_.asks.resize(due.size());
        for (std::size_t index = 0; index < options_.connections; ++index) {
            for (std::size_t k = 0; k < due.count(index); ++k) {
                result_.asks[due.message(index, k)] = messages_.asks(index, k);
            }
        }
        const auto first = result_.asks.begin() + static_cast<std::ptrdiff_t>(due.first_measured());
        if (std::find(first, result_.asks.end(), false) != result_.asks.end()) return;
        throw usage_error("--work: of the " + std::to_string(result_.asks.end() - first) +
                          " messages after the warm-up none asks for nothing, and these are what "
                          "latencies are of; raise --one-in or --messages");
    }

    void iterate() {
        send_what_is_due();
        std::array<epoll_event, batch> events;
        const std::uint64_t before = now_ns();
        const timespec longest = longest_wait(before);
        const int count = wait_for(epoll_.get(), events, longest);
        const std::uint64_t after = now_ns();
        if (count < 0 && errno != EINTR) throw_errno(errno, "epoll_wait");
        idle_ns_ += after - before;
        for (int i = 0; i < count; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            advance(connections_[event.data.u64], event.events);
            send_what_is_due();
        }
        if (after >= next_check_ns_) check_timeouts(after);
    }

    /// Until the next message is almost due, or it is time to look for what takes too long.
    [[nodiscard]] timespec longest_wait(std::uint64_t now) const {
        std::uint64_t until = next_check_ns_;
        if (next_ < result_.due.size()) {
            until = std::min(until, start_ns_ + result_.due.due_ns(next_) - awake_before_ns);
        }
        const auto wait = static_cast<long>(until > now ? until - now : 0);
        constexpr long second = 1'000'000'000;
        return {wait / second, wait % second};
    }

    /// Of an open loop, however many earlier messages are still under way.
    void send_what_is_due() {
        for (; next_ < result_.due.size(); ++next_) {
            const std::uint64_t due = start_ns_ + result_.due.due_ns(next_);
            const std::uint64_t now = now_ns();
            if (now < due) return;
            result_.lateness_ns[next_] = now - due;
            start_message(connections_[result_.due.connection(next_)], due);
            if (next_ + 1 == result_.due.size()) {
                note_idle(now_ns());
            } else {
                const connection& after = connections_[result_.due.connection(next_ + 1)];
                messages_.of(after.index, after.due);
            }
        }
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
                if (!from.is_finished()) {
                    fail(from, std::string("reading: ") + std::strerror(errno));
                }
                end(from);  // a reset after the last reply is rude, but nothing is missing
            }
        }
        send_rest(from);
    }

    // In a closed loop the next message leaves before the reply is compared: the time between them is
    // not the server's, and a closed loop has nothing outstanding in it.
    void take_reply(connection& from, std::span<const std::byte> reply) {
        const std::size_t under_way = from.under_way(options_.bytes);
        if (reply.size() > under_way) {
            fail(from, more_than_sent(reply, reply.size() - under_way));
        }
        const std::size_t message = from.done;
        const std::size_t offset = from.received;
        from.heard_ns = now_ns();
        from.last_byte = reply.back();
        from.received += reply.size();
        while (from.received >= options_.bytes) turn_around(from, from.heard_ns);
        compare(from, message, offset, reply);
        result_.bytes_echoed += reply.size();
        if (!options_.open) messages_.of(from.index, from.done + 1);
    }

    void turn_around(connection& at, std::uint64_t now) {
        const std::size_t place = options_.open ? result_.due.message(at.index, at.done) : replies_;
        result_.latencies_ns[place] = now - due_ns(at);
        ++replies_;
        at.received -= options_.bytes;
        at.answered_ns = now;
        if (++at.done == 1) ++answered_;
        if (at.is_finished()) {
            finish(at, now);
        } else if (!options_.open) {
            start_message(at, now);
        }
        if (at.done == 1 && answered_ == at_once_) end_those_held();
    }

    void compare(const connection& from, std::size_t message, std::size_t offset,
                 std::span<const std::byte> reply) {
        for (; !reply.empty(); ++message, offset = 0) {
            const std::span<const std::byte> expected = messages_.answer_to(from.index, message);
            const std::size_t size = std::min(reply.size(), options_.bytes - offset);
            if (std::memcmp(reply.data(), expected.data() + offset, size) != 0) {
                fail(from, message,
                     asked_for(from.index, message) + came_back_changed(reply, expected, offset));
            }
            reply = reply.subspan(size);
        }
    }

    /// In words, what stands before a complaint about its answer.
    [[nodiscard]] std::string asked_for(std::size_t connection, std::size_t message) const {
        if (!messages_.asks(connection, message)) return "";
        return "asked for " + std::to_string(options_.work.steps) + " steps of xorshift32: ";
    }

    /// The oldest message that has not come back.
    [[nodiscard]] std::uint64_t due_ns(const connection& at) const {
        if (!options_.open) return at.due_ns;
        return start_ns_ + result_.due.due_ns(result_.due.message(at.index, at.done));
    }

    void start_message(connection& to, std::uint64_t due) {
        to.due_ns = due;
        ++to.due;
        send_rest(to);
    }

    void send_rest(connection& to) {
        while (to.sent < to.due) {
            const auto rest = messages_.of(to.index, to.sent).subspan(to.sent_of_next);
            const ssize_t count = ::send(to.socket.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
            if (count >= 0) {
                to.sent_of_next += static_cast<std::size_t>(count);
                if (to.sent_of_next < options_.bytes) continue;
                ++to.sent;
                to.sent_of_next = 0;
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
        result_.outstanding_s += seconds(now - (options_.open ? now : at.first_due_ns));
        if (answered_ >= at_once_) ::shutdown(at.socket.get(), SHUT_WR);
    }

    // Of a server that serves fewer at once, one whose turn does not come until another has ended
    // waits for ever.
    void end_those_held() {
        for (const connection& each : connections_) {
            if (each.is_finished()) ::shutdown(each.socket.get(), SHUT_WR);
        }
    }

    void end(connection& at) {
        if (!at.is_finished()) {
            fail(at, "the server closed the connection after " + heard(at, options_.bytes));
        }
        at.ended = true;
        ++ended_;
    }

    void check_timeouts(std::uint64_t now) {
        next_check_ns_ = now + timeout_ns_ / 8;
        for (const connection& each : connections_) {
            if (each.done == each.due) continue;
            const std::uint64_t since = std::max(due_ns(each), each.answered_ns);
            if (now > since && now - since > timeout_ns_) fail(each, no_reply(each, now));
        }
        const std::uint64_t last_due = start_ns_ + result_.due.duration_ns();
        if (options_.open && finished_ < connections_.size() && now > last_due + timeout_ns_) {
            throw_overloaded();
        }
    }

    [[nodiscard]] std::string no_reply(const connection& at, std::uint64_t now) const {
        const std::string limit = "no whole reply within the timeout of " + timeout();
        if (answered_ < at_once_ && at_once_ > 1) {
            return limit + ", while " + std::to_string(answered_) + " of the " +
                   std::to_string(at_once_) +
                   " that should be served at once had one and stayed open";
        }
        return limit + ": " + heard(at, options_.bytes) + why_so_little(at, options_, now);
    }

    [[nodiscard]] std::string timeout() const {
        std::ostringstream text;
        text << seconds(timeout_ns_) << " s";
        return text.str();
    }

    [[noreturn]] void throw_overloaded() const {
        throw load_error(overloaded(steadiness_of(result_)) + ", and " +
                         std::to_string(result_.latencies_ns.size() - replies_) +
                         " messages had not come back " + timeout() +
                         " after the last was due: lower --rate, or raise --timeout");
    }

    [[noreturn]] void fail(const connection& at, const std::string& what) const {
        fail(at, std::min(at.done, std::max<std::size_t>(at.messages, 1) - 1), what);
    }

    [[noreturn]] void fail(const connection& at, std::size_t message,
                           const std::string& what) const {
        throw load_error("connection " + std::to_string(at.index + 1) + " of " +
                         std::to_string(options_.connections) + ", message " +
                         std::to_string(message + 1) + " of " + std::to_string(at.messages) + ": " +
                         what);
    }

    void note_idle(std::uint64_t until) {
        result_.idle_share =
            static_cast<double>(idle_ns_) / static_cast<double>(std::max(until - start_ns_, 1UL));
    }

    const load_options& options_;
    unique_descriptor epoll_;
    std::uint64_t timeout_ns_;
    std::size_t at_once_ = 0;
    message_store messages_;
    std::vector<std::byte> incoming_;  // shared: what is read is compared at once
    std::vector<connection> connections_;
    std::size_t next_ = 0;  // message of the schedule
    std::size_t replies_ = 0;
    std::size_t answered_ = 0;  // connections that have had a reply
    std::size_t finished_ = 0;
    std::size_t ended_ = 0;
    std::uint64_t start_ns_ = 0;
    std::uint64_t idle_ns_ = 0;
    std::uint64_t last_reply_ns_ = 0;
    std::uint64_t next_check_ns_ = 0;
    load_result result_;
};

}  // namespace

load_result run_load(const load_options& options) { return generator(options).run(); }

}  // namespace overlap::load
