#include <overlap/core/socket.hpp>
#include <overlap/fiber/fiber.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/uring.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <optional>
#include <span>
#include <string>
#include <sys/socket.h>
#include <system_error>
#include <vector>

namespace {

using namespace overlap;

template <class Loop>
class fiber_io_on : public testing::Test {
protected:
    void SetUp() override {
        if (const availability can = Loop::available(); !can) GTEST_SKIP() << can.reason;
        loop_.emplace();
        runtime_.emplace(*loop_);
    }

    /// Accepts one connection and sends back what it reads until the peer closes.
    std::size_t echo(int listener) {
        const int connection = runtime_->accept(listener);
        std::array<std::byte, 4096> buffer{};
        std::size_t total = 0;
        while (const std::size_t got = runtime_->read(connection, buffer)) {
            runtime_->write(connection, std::span(buffer).first(got));
            total += got;
        }
        runtime_->close(connection);
        return total;
    }

    std::size_t read_all(int connection, std::span<std::byte> into) {
        std::size_t total = 0;
        while (total < into.size()) {
            const std::size_t got = runtime_->read(connection, into.subspan(total));
            if (got == 0) break;
            total += got;
        }
        return total;
    }

    std::optional<Loop> loop_;
    std::optional<fiber<Loop>> runtime_;
};
using loops = testing::Types<poll_loop, epoll_loop, uring_loop>;
struct loop_names {
    template <class Loop>
    static std::string GetName(int) {
        return std::string(Loop::name());
    }
};
TYPED_TEST_SUITE(fiber_io_on, loops, loop_names);

std::vector<std::byte> pattern(std::size_t size, std::size_t seed) {
    std::vector<std::byte> bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>((i * 31 + seed) % 251);
    return bytes;
}

TYPED_TEST(fiber_io_on, echoes_on_many_connections_at_once) {
    constexpr std::size_t connections = 50;
    constexpr std::size_t messages = 20;
    auto& runtime = *this->runtime_;
    const auto listener = open_listener(endpoint());
    const endpoint server(port_of(listener));
    const auto totals = runtime.run([&] {
        return runtime.gather(2 * connections, [&](std::size_t index) {
            if (index < connections) return this->echo(listener.get());
            const int connection = runtime.connect(server);
            const auto sent = pattern(64, index);
            auto received = sent;
            for (std::size_t i = 0; i < messages; ++i) {
                std::fill(received.begin(), received.end(), std::byte{});
                runtime.write(connection, sent);
                EXPECT_EQ(this->read_all(connection, received), sent.size());
                EXPECT_EQ(received, sent);
            }
            runtime.close(connection);
            return messages * sent.size();
        });
    });
    for (const std::size_t total : totals) EXPECT_EQ(total, messages * 64);
}

TYPED_TEST(fiber_io_on, writes_all_bytes_however_many_steps_that_takes) {
    auto& runtime = *this->runtime_;
    const auto listener = open_listener(endpoint());
    const endpoint server(port_of(listener));
    const auto sent = pattern(std::size_t{8} << 20, 1);  // More than socket buffers hold.
    std::vector<std::byte> received(sent.size() + 1);
    runtime.run([&] {
        runtime.gather(2, [&](std::size_t index) {
            if (index == 0) {
                const int connection = runtime.accept(listener.get());
                runtime.sleep_for(std::chrono::milliseconds(5));
                received.resize(this->read_all(connection, received));
                runtime.close(connection);
            } else {
                const int connection = runtime.connect(server);
                runtime.write(connection, sent);
                runtime.write(connection, {});
                runtime.close(connection);
            }
        });
    });
    EXPECT_EQ(received.size(), sent.size());
    EXPECT_TRUE(received == sent);
}

TYPED_TEST(fiber_io_on, reads_and_writes_one_connection_from_two_tasks) {
    auto& runtime = *this->runtime_;
    const auto listener = open_listener(endpoint());
    const endpoint server(port_of(listener));
    const auto sent = pattern(std::size_t{4} << 20, 2);
    std::vector<std::byte> received(sent.size());
    runtime.run([&] {
        auto peer = runtime.spawn([&] { return this->echo(listener.get()); });
        const int connection = runtime.connect(server);
        runtime.gather(2, [&](std::size_t index) {
            if (index == 0) {
                runtime.write(connection, sent);
            } else {
                EXPECT_EQ(this->read_all(connection, received), sent.size());
            }
        });
        runtime.close(connection);
        EXPECT_EQ(peer.join(), sent.size());
    });
    EXPECT_TRUE(received == sent);
}

TYPED_TEST(fiber_io_on, sends_small_messages_at_once) {
    auto& runtime = *this->runtime_;
    const auto listener = open_listener(endpoint());
    runtime.run([&] {
        const int connection = runtime.connect(endpoint(port_of(listener)));
        int no_delay = 0;
        socklen_t size = sizeof no_delay;
        ::getsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size);
        EXPECT_NE(no_delay, 0);
        runtime.close(connection);
    });
}

template <class Call>
std::error_code error_of(Call call) {
    try {
        call();
    } catch (const std::system_error& error) {
        return error.code();
    }
    return {};
}

TYPED_TEST(fiber_io_on, throws_errors_of_the_system_and_leaks_no_descriptor) {
    auto& runtime = *this->runtime_;
    std::uint16_t nobody = 0;
    {
        const auto listener = open_listener(endpoint());
        nobody = port_of(listener);
    }
    runtime.run([&] {
        const int before = ::dup(0);
        ::close(before);
        EXPECT_EQ(error_of([&] { runtime.connect(endpoint(nobody)); }),
                  std::errc::connection_refused);
        const int after = ::dup(0);
        ::close(after);
        EXPECT_EQ(after, before) << "the lowest free descriptor";

        std::array<std::byte, 1> byte{};
        EXPECT_EQ(error_of([&] { runtime.read(-1, byte); }), std::errc::bad_file_descriptor);
        EXPECT_EQ(error_of([&] { runtime.write(-1, byte); }), std::errc::bad_file_descriptor);
        EXPECT_EQ(error_of([&] { runtime.accept(-1); }), std::errc::bad_file_descriptor);
        EXPECT_EQ(error_of([&] { runtime.close(-1); }), std::errc::bad_file_descriptor);
    });
}

TYPED_TEST(fiber_io_on, throws_when_the_peer_is_gone) {
    auto& runtime = *this->runtime_;
    const auto listener = open_listener(endpoint());
    runtime.run([&] {
        const int connection = runtime.connect(endpoint(port_of(listener)));
        const int peer = runtime.accept(listener.get());
        runtime.close(peer);
        const auto bytes = pattern(1 << 16, 3);
        const std::error_code error = error_of([&] {
            for (;;) runtime.write(connection, bytes);
        });
        EXPECT_TRUE(error == std::errc::broken_pipe || error == std::errc::connection_reset);
        runtime.close(connection);
    });
}

}  // namespace
