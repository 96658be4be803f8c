#include "testing/on_loop.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <gmock/gmock.h>
#include <iterator>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <system_error>
#include <vector>

namespace {

using namespace overlap;
using namespace std::chrono_literals;

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

std::ptrdiff_t open_descriptors() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

/// A port on which nobody listens.
std::uint16_t unused_port() { return port_of(open_listener(endpoint())); }

template <event_loop Loop>
class io_test : public on_loop<Loop> {
public:
    /// Echoes what comes on one connection until the peer closes; returns how many bytes that was.
    task<std::size_t> echo(int connection) {
        std::array<std::byte, 4096> buffer;
        std::size_t total = 0;
        while (const std::size_t size = co_await this->runtime().read(connection, buffer)) {
            co_await this->runtime().write(connection, std::span(buffer).first(size));
            total += size;
        }
        co_await this->runtime().close(connection);
        co_return total;
    }

    task<std::string> read_exactly(int connection, std::size_t size) {
        std::string text(size, '\0');
        std::size_t have = 0;
        while (have < size) {
            const std::size_t more = co_await this->runtime().read(
                connection, std::as_writable_bytes(std::span(text)).subspan(have));
            if (more == 0) break;
            have += more;
        }
        text.resize(have);
        co_return text;
    }

    /// What operating-system error `work` ends in; 0 for none.
    template <class T>
    static task<int> error_of(task<T> work) {
        try {
            co_await std::move(work);
        } catch (const std::system_error& error) {
            co_return error.code().value();
        }
        co_return 0;
    }

    task<int> connect_to(std::uint16_t port) {
        co_return co_await this->runtime().connect(endpoint(port));
    }
};
TYPED_TEST_SUITE(io_test, real_loops, loop_names);

/// Has memory for one write, and then no more.
struct poor_loop : poll_loop {
    void submit(io_operation* op) {
        if (op->kind == operation_kind::write && writes++ == 1) throw std::bad_alloc();
        poll_loop::submit(op);
    }
    int writes = 0;
};

TEST(io, a_write_that_cannot_go_on_for_want_of_memory_is_an_error_of_the_task) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
    const unique_descriptor near(ends[0]);
    const unique_descriptor far(ends[1]);
    const std::vector<std::byte> more_than_fits(std::size_t{4} << 20);
    poor_loop loop;
    coroutine runtime(loop);
    try {
        runtime.run([](auto& on, int to, std::span<const std::byte> bytes) -> task<> {
            co_await on.write(to, bytes);
        }(runtime, near.get(), more_than_fits));
        ADD_FAILURE() << "nothing was thrown";
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), std::errc::not_enough_memory);
    }
}

TYPED_TEST(io_test, a_message_goes_there_and_comes_back) {
    const auto listener = open_listener(endpoint());
    this->run([&]() -> task<> {
        auto server = this->runtime().spawn([](auto& test, int on) -> task<std::size_t> {
            const int connection = co_await test.runtime().accept(on);
            co_return co_await test.echo(connection);
        }(*this, listener.get()));
        const int client = co_await this->runtime().connect(endpoint(port_of(listener)));
        co_await this->runtime().write(client, bytes_of("hello"));
        const std::string answer = co_await this->read_exactly(client, 5);
        co_await this->runtime().close(client);
        const std::size_t echoed = co_await server;
        EXPECT_EQ(answer, "hello");
        EXPECT_EQ(echoed, 5U);
    });
}

TYPED_TEST(io_test, many_connections_at_once_each_get_their_own_bytes) {
    constexpr std::size_t connections = 50;
    const auto listener = open_listener(endpoint());
    const auto before = open_descriptors();
    this->run([&]() -> task<> {
        auto server = this->runtime().gather(connections, [&](std::size_t) -> task<std::size_t> {
            const int connection = co_await this->runtime().accept(listener.get());
            co_return co_await this->echo(connection);
        });
        auto serving = this->runtime().spawn([](auto& gathered) -> task<std::vector<std::size_t>> {
            co_return co_await gathered;
        }(server));
        co_await this->runtime().gather(connections, [&](std::size_t i) -> task<> {
            const std::string message = "message " + std::to_string(i);
            const int client = co_await this->runtime().connect(endpoint(port_of(listener)));
            for (int round = 0; round < 10; ++round) {
                co_await this->runtime().write(client, bytes_of(message));
                const std::string answer = co_await this->read_exactly(client, message.size());
                EXPECT_EQ(answer, message);
            }
            co_await this->runtime().close(client);
        });
        const auto totals = co_await serving;
        EXPECT_EQ(totals.size(), connections);
        EXPECT_TRUE(std::ranges::all_of(totals, [](std::size_t n) { return n >= 90; }));
    });
    EXPECT_EQ(open_descriptors(), before);
}

TYPED_TEST(io_test, a_write_larger_than_any_socket_buffer_sends_all_its_bytes) {
    static constexpr std::size_t size = std::size_t{32} << 20;
    const auto listener = open_listener(endpoint());
    std::string sent(size, '\0');
    for (std::size_t i = 0; i < size; ++i) sent[i] = static_cast<char>(i * 2'654'435'761U >> 24U);
    this->run([&]() -> task<> {
        auto receiver = this->runtime().spawn([](auto& test, int on) -> task<std::string> {
            const int connection = co_await test.runtime().accept(on);
            std::string received = co_await test.read_exactly(connection, size);
            co_await test.runtime().close(connection);
            co_return received;
        }(*this, listener.get()));
        const int client = co_await this->runtime().connect(endpoint(port_of(listener)));
        co_await this->runtime().write(client, bytes_of(sent));
        const std::string received = co_await receiver;
        EXPECT_TRUE(received == sent) << "of " << size << " bytes came " << received.size();
        co_await this->runtime().close(client);
    });
}

TYPED_TEST(io_test, a_write_of_nothing_is_done_at_once) {
    const auto listener = open_listener(endpoint());
    this->run([&]() -> task<> {
        const int client = co_await this->runtime().connect(endpoint(port_of(listener)));
        co_await this->runtime().write(client, {});
        co_await this->runtime().close(client);
    });
}

TYPED_TEST(io_test, end_of_file_is_zero_bytes) {
    const auto listener = open_listener(endpoint());
    this->run([&]() -> task<> {
        const int client = co_await this->runtime().connect(endpoint(port_of(listener)));
        const int server = co_await this->runtime().accept(listener.get());
        co_await this->runtime().close(server);
        const std::string nothing = co_await this->read_exactly(client, 1);
        EXPECT_EQ(nothing, "");
        co_await this->runtime().close(client);
    });
}

TYPED_TEST(io_test, a_refused_connection_is_an_error_and_leaves_no_descriptor_open) {
    const std::uint16_t port = unused_port();
    const auto before = open_descriptors();
    const int error = this->runtime().run(this->error_of(this->connect_to(port)));
    EXPECT_EQ(error, ECONNREFUSED);
    EXPECT_EQ(open_descriptors(), before);
}

TYPED_TEST(io_test, errors_name_the_call) {
    std::vector<std::string> messages;
    const auto attempt = [&]<class Awaitable>(Awaitable call) -> task<> {
        try {
            co_await call;
        } catch (const std::system_error& error) {
            EXPECT_EQ(error.code().value(), EBADF);
            messages.emplace_back(error.what());
        }
    };
    constexpr int not_open = 1'000;
    std::array<std::byte, 1> buffer{};
    this->run([&]() -> task<> {
        co_await attempt(this->runtime().accept(not_open));
        co_await attempt(this->runtime().read(not_open, buffer));
        co_await attempt(this->runtime().write(not_open, buffer));
        co_await attempt(this->runtime().close(not_open));
    });
    EXPECT_THAT(messages, testing::ElementsAre(
                              testing::StartsWith("accept: "), testing::StartsWith("read: "),
                              testing::StartsWith("write: "), testing::StartsWith("close: ")));
}

TYPED_TEST(io_test, a_write_to_a_peer_that_has_gone_is_an_error_not_a_signal) {
    const auto listener = open_listener(endpoint());
    const int error = this->run([&]() -> task<int> {
        const int client = co_await this->runtime().connect(endpoint(port_of(listener)));
        const int server = co_await this->runtime().accept(listener.get());
        co_await this->runtime().close(server);
        const std::string block(1 << 20, 'x');
        const auto write_on = [&]() -> task<> {
            for (;;) co_await this->runtime().write(client, bytes_of(block));
        };
        const int seen = co_await this->error_of(write_on());
        co_await this->runtime().close(client);
        co_return seen;
    });
    EXPECT_THAT(error, testing::AnyOf(EPIPE, ECONNRESET));
}

TYPED_TEST(io_test, tasks_sleep_and_compute_while_another_reads) {
    const auto listener = open_listener(endpoint());
    int ticks = 0;
    this->run([&]() -> task<> {
        const int client = co_await this->runtime().connect(endpoint(port_of(listener)));
        const int server = co_await this->runtime().accept(listener.get());
        auto reader = this->runtime().spawn(this->read_exactly(server, 4));
        for (; ticks < 3; ++ticks) co_await this->runtime().sleep_for(1ms);
        EXPECT_FALSE(reader.is_done());
        co_await this->runtime().write(client, bytes_of("done"));
        const std::string text = co_await reader;
        EXPECT_EQ(text, "done");
        co_await this->runtime().close(client);
        co_await this->runtime().close(server);
    });
    EXPECT_EQ(ticks, 3);
}

TYPED_TEST(io_test, a_reader_left_over_is_freed_with_the_runtime) {
    const auto listener = open_listener(endpoint());
    bool freed = false;
    std::vector<unique_descriptor> connections;
    this->run([&]() -> task<> {
        connections.emplace_back(co_await this->runtime().connect(endpoint(port_of(listener))));
        const int server = co_await this->runtime().accept(listener.get());
        connections.emplace_back(server);
        (void)this->runtime().spawn([](auto& test, int from, bool& told) -> task<> {
            const at_end telling([&] { told = true; });
            co_await test.read_exactly(from, 1);
        }(*this, server, freed));
        co_await this->runtime().yield();
    });
    EXPECT_FALSE(freed);
    this->end_runtime();
    EXPECT_TRUE(freed);
    EXPECT_EQ(this->reports().size(), 1U);
}

class io_on_virtual_time_test : public on_virtual_time {};

TEST_F(io_on_virtual_time_test, is_refused_in_words) {
    const auto read = [this]() -> task<> {
        std::array<std::byte, 1> buffer{};
        co_await runtime().read(0, buffer);
    };
    EXPECT_THROW(run(read), std::system_error);
}

}  // namespace
