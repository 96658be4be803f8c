// The echo workload against clients that do not keep to it.
#include "bench/harness/backends.hpp"
#include "bench/harness/flights.hpp"
#include "bench/workloads/echo/body.hpp"

#include <overlap/core/socket.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>

namespace overlap::bench {
namespace {

/// A blocking client.
class client {
public:
    explicit client(std::uint16_t port) : socket_(blocking_calls::connect(endpoint(port))) {}

    void send(const std::string& bytes) {
        blocking_calls::write(socket_.get(), std::as_bytes(std::span(bytes)));
    }

    std::string receive(std::size_t size) {
        std::string bytes(size, '\0');
        std::size_t got = 0;
        while (got < size) {
            const auto rest = std::as_writable_bytes(std::span(bytes)).subspan(got);
            const std::size_t more = blocking_calls::read(socket_.get(), rest);
            if (more == 0) break;
            got += more;
        }
        return bytes.substr(0, got);
    }

    void finish_sending() { ::shutdown(socket_.get(), SHUT_WR); }

    /// Goes away with a reset instead of an orderly end.
    void reset() {
        const linger at_once{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        socket_ = unique_descriptor();
    }

private:
    unique_descriptor socket_;
};

template <class Backend>
class EchoServer : public testing::Test {
protected:
    /// Serves `connections` while `clients(port)` runs beside it.
    template <class Clients>
    std::vector<std::uint64_t> serve(std::size_t connections, Clients clients) {
        echo_case given;
        given.connections = connections;
        given.bytes = 64;
        const unique_descriptor listener = open_listener(endpoint());
        const int descriptor = listener.get();
        const std::uint16_t port = port_of(listener);
        std::jthread beside([&] { clients(port); });
        no_log log;
        std::vector<std::uint64_t> echoed;
        Backend{}.with_runtime([&](auto& runtime) {
            echoed = run_root(runtime, [&] { return serve_all(runtime, given, descriptor, log); });
        });
        return echoed;
    }
};

// Process backends fork, which a test with threads may not; their rules are tested beside them.
using backends =
    testing::Types<loop_backend<coroutine, epoll_loop>, loop_backend<coroutine, poll_loop>,
                   loop_backend<coroutine, uring_loop>, loop_backend<fiber, epoll_loop>,
                   plain_backend<sequential>, plain_backend<thread_per_task, overflow::fails>>;

struct backend_names {
    template <class Backend>
    static std::string GetName(int) {
        std::string name = Backend{}.summary().name;
        for (char& c : name) {
            if (c == ':') c = '_';
        }
        return name;
    }
};
TYPED_TEST_SUITE(EchoServer, backends, backend_names);

TYPED_TEST(EchoServer, SendsBackWhateverComes) {
    const availability here = TypeParam{}.summary().here;
    if (!here) GTEST_SKIP() << here.reason;
    const std::string garbage("\0\xff GET / HTTP/1.1\r\n\r\n\x01", 23);
    const auto echoed = this->serve(1, [&](std::uint16_t port) {
        client one(port);
        one.send(garbage);
        one.finish_sending();
        EXPECT_EQ(one.receive(1000), garbage);
    });
    EXPECT_EQ(echoed, std::vector<std::uint64_t>{garbage.size()});
}

TYPED_TEST(EchoServer, AClientThatHangsUpIsServedUntilThen) {
    const availability here = TypeParam{}.summary().here;
    if (!here) GTEST_SKIP() << here.reason;
    const auto echoed = this->serve(2, [&](std::uint16_t port) {
        {
            client silent(port);  // Connects and leaves.
        }
        client other(port);
        other.send("abc");
        EXPECT_EQ(other.receive(3), "abc");
    });
    EXPECT_THAT(echoed, testing::UnorderedElementsAre(0, 3));
}

TYPED_TEST(EchoServer, AResetFailsItsTaskAfterAllOthersWereServed) {
    const availability here = TypeParam{}.summary().here;
    if (!here) GTEST_SKIP() << here.reason;
    std::string last;
    try {
        this->serve(2, [&](std::uint16_t port) {
            client rude(port);
            rude.send("abc");
            EXPECT_EQ(rude.receive(3), "abc");
            rude.reset();
            client polite(port);
            polite.send("still here");
            last = polite.receive(10);
        });
        FAIL() << "nobody heard of the reset";
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code().value(), ECONNRESET) << error.what();
    }
    EXPECT_EQ(last, "still here");
}

TYPED_TEST(EchoServer, DescriptorsThatRunOutFailTheTasksWithoutOne) {
    const availability here = TypeParam{}.summary().here;
    if (!here) GTEST_SKIP() << here.reason;
    constexpr std::size_t enough_for = 2;
    echo_case given;
    given.connections = 4;
    given.bytes = 64;
    const unique_descriptor listener = open_listener(endpoint());
    const int descriptor = listener.get();
    std::vector<client> clients;
    for (std::size_t i = 0; i < given.connections; ++i) {
        clients.emplace_back(port_of(listener)).send("abc");
        clients.back().finish_sending();
    }
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    no_log log;
    try {
        TypeParam{}.with_runtime([&](auto& runtime) {
            rlimit few = before;
            few.rlim_cur =
                static_cast<rlim_t>(unique_descriptor(::dup(descriptor)).get()) + enough_for;
            ::setrlimit(RLIMIT_NOFILE, &few);
            run_root(runtime, [&] { return serve_all(runtime, given, descriptor, log); });
        });
        // Where a task may have ended before the next accepts, two descriptors can do for all.
        EXPECT_THAT(TypeParam{}.summary().name, testing::AnyOf("sequential", "thread_per_task"));
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code().value(), EMFILE) << error.what();
    }
    ::setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_EQ(clients.front().receive(3), "abc") << "those with a descriptor are served";
}

TEST(Listener, APortInUseIsNamed) {
    const unique_descriptor first = open_listener(endpoint());
    const std::uint16_t port = port_of(first);
    try {
        open_listener(endpoint(port));
        FAIL() << "two listeners on one port";
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code().value(), EADDRINUSE);
        EXPECT_THAT(error.what(),
                    testing::HasSubstr("cannot listen on port " + std::to_string(port)));
    }
}

}  // namespace
}  // namespace overlap::bench
