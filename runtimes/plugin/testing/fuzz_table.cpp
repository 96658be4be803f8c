// Any table is sound or has a fault in words; and whatever calls are made of a loop through its table, in
// whichever order the contract allows, each operation is done once and in time: libFuzzer's entry.
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/uring.hpp>
#include <overlap/plugin/dynamic_loop.hpp>
#include <overlap/plugin/load_loop.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <sys/socket.h>

namespace {

using namespace overlap;

[[noreturn]] void broken(const std::string& words) {
    std::fprintf(stderr, "broken: %s\n", words.c_str());
    std::abort();
}

void expect(bool holds, const char* what) {
    if (!holds) broken(what);
}

/// The bytes of the input, zeros once they are used up.
class bytes {
public:
    bytes(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

    [[nodiscard]] bool empty() const { return left_ == 0; }
    std::uint8_t next() {
        if (left_ == 0) return 0;
        --left_;
        return *data_++;
    }

private:
    const std::uint8_t* data_;
    std::size_t left_;
};

// ---- tables --------------------------------------------------------------------------------------

/// A sound table of which the input takes functions away, and changes the rest.
void try_table(bytes& input) {
    overlap_loop_table table = table_of<poll_loop>;
    const std::uint8_t present = input.next();
    if ((present & 1U) == 0) table.post = nullptr;
    if ((present & 2U) == 0) table.run = nullptr;
    if ((present & 4U) == 0) table.name = nullptr;
    if ((present & 8U) == 0) table.available = nullptr;
    if ((present & 16U) == 0) table.version = input.next();
    if ((present & 32U) == 0) table.size = input.next();
    std::string name;
    while (!input.empty()) name += static_cast<char>(input.next());
    if (table.name != nullptr && (present & 64U) == 0) table.name = name.c_str();
    const std::string fault = detail::fault_of(&table);
    const bool whole = (present & 11U) == 11U && table.name != nullptr && *table.name != '\0' &&
                       table.version == OVERLAP_LOOP_VERSION &&
                       table.size >= sizeof(overlap_loop_table);
    expect(whole || !fault.empty(), "a table that lacks something has no fault");
    const std::string_view given = table.name == nullptr ? "" : table.name;
    const bool plain = given.find_first_not_of(detail::name_characters) == std::string_view::npos;
    expect(fault.empty() == (whole && plain), "the fault of a sound table");
}

// ---- calls ---------------------------------------------------------------------------------------

/// What is counted of operations, whose callbacks know it.
struct in_flight {
    std::size_t count = 0;
    std::size_t stop_at = 0;
    std::function<void()> stop;
    std::function<time_point()> now;
};

/// An operation that is submitted once at a time.
template <class Operation>
struct waiting : Operation {
    in_flight* all = nullptr;
    bool submitted = false;
    time_point due{};  ///< Of a timer.

    bool take(in_flight& of) {
        if (submitted) return false;
        this->done = &completed;
        all = &of;
        submitted = true;
        ++of.count;
        return true;
    }

    static void completed(operation* op) noexcept {
        auto& self = static_cast<waiting&>(*op);
        expect(self.submitted, "an operation was done that was not submitted");
        expect(self.result != 0 || self.all->now() >= self.due, "a timer was done too early");
        self.submitted = false;
        if (--self.all->count <= self.all->stop_at) self.all->stop();
    }
};

/// Follows the input: what each byte has a loop do.
template <class Loop>
class calls {
public:
    explicit calls(bytes& input) : input_(input) {
        constexpr int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
        expect(::socketpair(AF_UNIX, type, 0, ends_.data()) == 0, "a pair of sockets");
        all_.stop = [this] { loop_.stop(); };
        all_.now = [this] { return loop_.now(); };
        for (std::size_t i = 0; i < io_.size(); ++i) {
            io_[i].kind = i % 2 == 0 ? operation_kind::read : operation_kind::write;
            io_[i].descriptor = ends_[i / 2];
            io_[i].data = buffers_[i].data();
        }
    }

    void make() {
        while (!input_.empty()) make_one();
        for (auto& each : timers_) cancel(each);
        wait_until_left(0);
        for (const std::size_t i : {0U, 2U}) {  // Descriptors are the loop's to close.
            io_[i].kind = operation_kind::close;
            if (io_[i].take(all_)) loop_.submit(&io_[i]);
        }
        wait_until_left(0);
    }

private:
    void make_one() {
        const std::uint8_t what = input_.next();
        const std::size_t which = what >> 4U;
        auto& posted = posts_[which % posts_.size()];
        auto& timer = timers_[which % timers_.size()];
        auto& io = io_[which % io_.size()];
        switch (what % 6U) {
        case 0:
            if (posted.take(all_)) loop_.post(&posted);
            break;
        case 1:
            if (posted.take(all_)) loop_.post_remote(&posted);
            break;
        case 2:
            if (!timer.take(all_)) break;
            timer.due = loop_.now() + std::chrono::microseconds(input_.next()) -
                        std::chrono::microseconds(64);
            loop_.call_at(&timer, timer.due);
            break;
        case 3:
            if (!io.take(all_)) break;
            io.size = 1 + input_.next() % buffers_[0].size();
            loop_.submit(&io);
            break;
        case 4:
            cancel(timer);
            break;
        default:
            wait_until_left(which % (all_.count + 1));
        }
    }

    template <class Waiting>
    void cancel(Waiting& each) {
        if (each.submitted) loop_.cancel(&each);
    }

    /// Runs the loop. What nothing comes for is cancelled first.
    void wait_until_left(std::size_t least) {
        for (auto& each : io_) cancel(each);
        all_.stop_at = least;
        while (all_.count > least) loop_.run();
    }

    bytes& input_;
    std::array<int, 2> ends_{};
    Loop loop_;
    in_flight all_;
    std::array<waiting<operation>, 8> posts_;
    std::array<waiting<timer_operation>, 8> timers_;
    std::array<waiting<io_operation>, 4> io_;
    std::array<std::array<char, 64>, 4> buffers_{};
};

constinit overlap_loop_table through_poll = table_of<poll_loop>;
constinit overlap_loop_table through_epoll = table_of<epoll_loop>;
constinit overlap_loop_table through_uring = table_of<uring_loop>;

template <const overlap_loop_table& Table>
void make_calls(bytes& input) {
    static const bool here = static_cast<bool>(dynamic_loop<Table>::available());
    if (here) calls<dynamic_loop<Table>>(input).make();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    bytes input(data, size);
    switch (input.next() % 4U) {
    case 0:
        try_table(input);
        break;
    case 1:
        make_calls<through_poll>(input);
        break;
    case 2:
        make_calls<through_epoll>(input);
        break;
    default:
        make_calls<through_uring>(input);
    }
    return 0;
}
