// Both echo floors against clients that behave, dawdle, hang up and reset.
#include <overlap/core/socket.hpp>
#include <overlap/floor/echo_epoll.hpp>
#include <overlap/floor/echo_uring.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <liburing.h>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <system_error>
#include <vector>

namespace overlap {
namespace {

using bytes = std::vector<std::byte>;

bytes pattern(std::size_t size, std::size_t salt) {
    bytes made(size);
    for (std::size_t i = 0; i < size; ++i) {
        made[i] = static_cast<std::byte>((i * 131 + i / 251 + salt * 17) & 0xffU);
    }
    return made;
}

void set_option(int socket, int name, const void* value, socklen_t size) {
    check_errno(::setsockopt(socket, SOL_SOCKET, name, value, size), "setsockopt");
}

// A blocking client that gives up, and so fails the test, after 20 s without an answer.
class client {
public:
    explicit client(std::uint16_t port, int receive_buffer = 0)
        : socket_(check_errno(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")) {
        const timeval patience{.tv_sec = 20, .tv_usec = 0};
        set_option(get(), SO_RCVTIMEO, &patience, sizeof patience);
        if (receive_buffer > 0) {
            set_option(get(), SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        }
        const endpoint server(port);
        check_errno(::connect(get(), server.data(), endpoint::size()), "connect");
    }

    [[nodiscard]] int get() const { return socket_.get(); }

    void send(const bytes& what) const {
        for (std::size_t sent = 0; sent < what.size();) {
            sent += static_cast<std::size_t>(check_errno(
                ::send(get(), what.data() + sent, what.size() - sent, MSG_NOSIGNAL), "send"));
        }
    }

    // Fewer bytes than asked for mean the end of file.
    [[nodiscard]] bytes receive(std::size_t size) const {
        bytes got(size);
        std::size_t count = 0;
        while (count < size) {
            const ssize_t more = ::recv(get(), got.data() + count, size - count, 0);
            if (more == 0) break;
            // Not only signals interrupt a receive with a time limit: the kernel's own work for a
            // ring that this thread has closed does too.
            if (more < 0 && errno != EINTR) throw_errno(errno, "recv");
            count += static_cast<std::size_t>(std::max<ssize_t>(more, 0));
        }
        got.resize(count);
        return got;
    }

    void end() const { check_errno(::shutdown(get(), SHUT_WR), "shutdown"); }
    void close() { socket_ = unique_descriptor(); }

    // Ends the connection with a reset instead of an orderly end of file (socket(7), SO_LINGER).
    void reset() {
        const linger at_once{.l_onoff = 1, .l_linger = 0};
        set_option(get(), SO_LINGER, &at_once, sizeof at_once);
        close();
    }

private:
    unique_descriptor socket_;
};

struct floor_under_test {
    const char* name;
    std::vector<std::uint64_t> (*echo)(int, std::size_t, std::size_t);
    bool needs_uring;
};

bool has_uring() {
    io_uring ring{};
    if (::io_uring_queue_init(2, &ring, 0) != 0) return false;
    ::io_uring_queue_exit(&ring);
    return true;
}

class EchoFloor : public testing::TestWithParam<floor_under_test> {
protected:
    void SetUp() override {
        if (GetParam().needs_uring && !has_uring()) GTEST_SKIP() << "this kernel has no io_uring";
    }

    [[nodiscard]] std::uint16_t port() const { return port_of(listener_); }

    auto serve(std::size_t connections, std::size_t buffer_size) {
        return std::async(std::launch::async, GetParam().echo, listener_.get(), connections,
                          buffer_size);
    }

    static int error_of(std::future<std::vector<std::uint64_t>>& server) {
        try {
            server.get();
        } catch (const std::system_error& error) {
            return error.code().value();
        }
        return 0;
    }

    unique_descriptor listener_ = open_listener(endpoint());
};

TEST_P(EchoFloor, ServesNobody) { EXPECT_TRUE(serve(0, 64).get().empty()); }

TEST_P(EchoFloor, EchoesOneConnection) {
    auto server = serve(1, 64);
    client peer(port());
    std::uint64_t total = 0;
    for (std::size_t size : {1U, 63U, 64U, 65U, 640U, 64U}) {
        const bytes message = pattern(size, size);
        peer.send(message);
        EXPECT_EQ(peer.receive(size), message);
        total += size;
    }
    peer.close();
    EXPECT_EQ(server.get(), std::vector<std::uint64_t>{total});
}

TEST_P(EchoFloor, CountsAConnectionThatSendsNothing) {
    auto server = serve(1, 64);
    client(port()).close();
    EXPECT_EQ(server.get(), std::vector<std::uint64_t>{0});
}

TEST_P(EchoFloor, Echoes100ConnectionsAndCountsThemInOrderOfAcceptance) {
    constexpr std::size_t connections = 100;
    auto server = serve(connections, 64);
    std::vector<client> peers;
    peers.reserve(connections);
    for (std::size_t i = 0; i < connections; ++i) peers.emplace_back(port());
    std::vector<std::uint64_t> expected(connections);
    for (std::size_t round = 0; round < connections; ++round) {
        for (std::size_t i = round; i < connections; ++i) peers[i].send(pattern(64, i + round));
        for (std::size_t i = round; i < connections; ++i) {
            ASSERT_EQ(peers[i].receive(64), pattern(64, i + round)) << i << ' ' << round;
            expected[i] += 64;
        }
        peers[round].close();
    }
    EXPECT_EQ(server.get(), expected);
}

TEST_P(EchoFloor, FinishesWhatShortWritesLeave) {
    const int small = 32768;
    set_option(listener_.get(), SO_SNDBUF, &small, sizeof small);  // connections inherit it
    constexpr std::size_t payload = 16384;
    constexpr std::size_t messages = 1000;  // more than sockets can hold
    auto server = serve(2, payload);
    const client slow(port(), small);
    const client other(port(), small);
    const bytes all = pattern(payload * messages, 7);
    // Nobody reads until the server cannot have got rid of what it has read.
    auto writer = std::async(std::launch::async, [&] { slow.send(all); });
    ASSERT_EQ(writer.wait_for(std::chrono::milliseconds(100)), std::future_status::timeout);
    other.send(pattern(payload, 3));
    EXPECT_EQ(other.receive(payload), pattern(payload, 3)) << "one slow reader holds up the rest";
    EXPECT_EQ(slow.receive(all.size()), all);
    writer.get();
    slow.end();
    other.end();
    EXPECT_EQ(server.get(), (std::vector<std::uint64_t>{all.size(), payload}));
}

TEST_P(EchoFloor, EchoesWhatCameRightBeforeTheEnd) {
    constexpr std::size_t connections = 20;
    auto server = serve(connections, 64);
    std::vector<client> peers;
    peers.reserve(connections);
    for (std::size_t i = 0; i < connections; ++i) {
        peers.emplace_back(port());
        peers[i].send(pattern(1000, i));
        peers[i].end();
    }
    for (std::size_t i = 0; i < connections; ++i) {
        EXPECT_EQ(peers[i].receive(2000), pattern(1000, i)) << "then the end of file";
    }
    EXPECT_EQ(server.get(), std::vector<std::uint64_t>(connections, 1000));
}

TEST_P(EchoFloor, FinishesTheOthersWhenAConnectionIsReset) {
    auto server = serve(3, 64);
    const client first(port());
    client breaks(port());
    const client last(port());
    for (const client* each : {&first, static_cast<const client*>(&breaks), &last}) {
        each->send(pattern(64, 1));
        ASSERT_EQ(each->receive(64), pattern(64, 1));
    }
    breaks.reset();
    for (std::size_t salt = 0; salt < 50; ++salt) {
        for (const client* each : {&first, &last}) {
            each->send(pattern(64, salt));
            ASSERT_EQ(each->receive(64), pattern(64, salt));
        }
    }
    EXPECT_EQ(server.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
    first.end();
    last.end();
    EXPECT_EQ(error_of(server), ECONNRESET);
}

TEST_P(EchoFloor, SurvivesAResetWhileItIsWriting) {
    const int small = 32768;
    set_option(listener_.get(), SO_SNDBUF, &small, sizeof small);
    auto server = serve(2, 16384);
    client breaks(port(), small);
    const client other(port());
    const timeval patience{.tv_sec = 0, .tv_usec = 100'000};
    set_option(breaks.get(), SO_SNDTIMEO, &patience, sizeof patience);
    EXPECT_THROW(breaks.send(pattern(std::size_t{64} << 20, 1)), std::system_error)
        << "the server must have stopped reading, since it cannot write";
    breaks.reset();
    other.send(pattern(64, 2));
    EXPECT_EQ(other.receive(64), pattern(64, 2));
    other.end();
    EXPECT_THAT(error_of(server), testing::AnyOf(ECONNRESET, EPIPE));
}

TEST_P(EchoFloor, ServesWhatItAcceptedWhenDescriptorsRunOut) {
    std::vector<client> peers;
    peers.reserve(8);
    for (int i = 0; i < 8; ++i) peers.emplace_back(port());
    rlimit before{};
    check_errno(::getrlimit(RLIMIT_NOFILE, &before), "getrlimit");
    rlimit tight = before;
    // The lowest free number is the server's epoll set or ring; two connections come after it.
    const unique_descriptor lowest_free(check_errno(::dup(listener_.get()), "dup"));
    tight.rlim_cur = static_cast<rlim_t>(lowest_free.get()) + 4;
    check_errno(::setrlimit(RLIMIT_NOFILE, &tight), "setrlimit");
    auto server = serve(peers.size(), 64);
    peers[0].send(pattern(64, 5));
    EXPECT_EQ(peers[0].receive(64), pattern(64, 5));
    for (const client& each : peers) each.end();  // Closed, they would make room for more.
    EXPECT_EQ(error_of(server), EMFILE);
    check_errno(::setrlimit(RLIMIT_NOFILE, &before), "setrlimit");
}

INSTANTIATE_TEST_SUITE_P(, EchoFloor,
                         testing::Values(floor_under_test{"epoll", floor::echo_epoll, false},
                                         floor_under_test{"uring", floor::echo_uring, true}),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace overlap
