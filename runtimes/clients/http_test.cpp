// Answers of all kinds, good and bad, and the session with servers that hang up or say nothing.
#include <overlap/clients/http_session.hpp>
#include <overlap/core/blocking_calls.hpp>
#include <overlap/coroutine/coroutine.hpp>
#include <overlap/fiber/fiber.hpp>
#include <overlap/loops/epoll.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace overlap {
namespace {

/// What a client makes of `answer` when it comes in pieces of `piece` bytes, and then the end.
http_response read_in_pieces(const std::string& answer, std::size_t piece) {
    std::vector<std::byte> buffer(http_exchange::buffer_size);
    http_exchange protocol("GET / HTTP/1.1\r\n\r\n", buffer);
    protocol.sent();
    std::size_t at = 0;
    while (!protocol.done()) {
        const std::size_t size = std::min({piece, answer.size() - at, protocol.room().size()});
        std::memcpy(protocol.room().data(), answer.data() + at, size);
        at += size;
        protocol.received(size);
    }
    return protocol.response();
}

std::string failure_of(const std::string& answer) {
    try {
        read_in_pieces(answer, 1000);
    } catch (const http_error& error) {
        return error.what();
    }
    return "none";
}

TEST(HttpExchange, AnAnswerMayComeInAnyPiecesAndSayItsLengthInThreeWays) {
    const std::string sized = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    const std::string chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
    const std::string until_the_end = "HTTP/1.1 200 OK\r\n\r\nhello";
    for (const std::string& answer : {sized, chunked, until_the_end}) {
        for (const std::size_t piece : {1UL, 7UL, 1000UL}) {
            const http_response found = read_in_pieces(answer, piece);
            EXPECT_EQ(found.status, 200);
            EXPECT_EQ(found.body, "hello") << answer << " by " << piece;
        }
    }
}

TEST(HttpExchange, AnyStatusIsAnAnswer) {
    EXPECT_EQ(read_in_pieces("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 1000).status, 500);
    EXPECT_EQ(
        read_in_pieces("HTTP/1.1 302 There\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", 9).status,
        302);
}

TEST(HttpExchange, WhatIsNoWholeAnswerIsSaidInWords) {
    using testing::HasSubstr;
    EXPECT_EQ(failure_of(""), "the server hung up before its answer");
    EXPECT_EQ(failure_of("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"),
              "the server hung up in the middle of its answer");
    EXPECT_THAT(failure_of("SSH-2.0-OpenSSH\r\n\r\n"), HasSubstr("the answer is not HTTP: "));
    EXPECT_THAT(failure_of("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\nx"),
                HasSubstr("an answer of over 1048576 bytes"));
    EXPECT_THAT(failure_of("HTTP/1.1 200 OK\r\n\r\n" + std::string(1'100'000, 'x')),
                HasSubstr("an answer of over 1048576 bytes"));
    EXPECT_THAT(failure_of("HTTP/1.1 200 OK\r\nA: " + std::string(100'000, 'a')),
                testing::AnyOf(HasSubstr("not HTTP: "), HasSubstr("headers of over ")));
}

/// Reads a request on each of `connections` connections, one after another, answers the first
/// `answered`, and closes each.
void serve_once_each(int listener, int connections, int answered) {
    for (int i = 0; i < connections; ++i) {
        const unique_descriptor connection(blocking_calls::accept(listener));
        std::array<std::byte, 1000> request;
        blocking_calls::read(connection.get(), request);
        if (i >= answered) continue;
        const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        blocking_calls::write(connection.get(), std::as_bytes(std::span(answer)));
    }
}

using on_fibers = fiber<epoll_loop>;
using on_coroutines = coroutine<epoll_loop>;

/// Gets so often, one after another, and returns the size of all bodies.
task<std::size_t> get_often(http_session<on_coroutines>& session, int times) {
    std::size_t sum = 0;
    for (int i = 0; i < times; ++i) sum += (co_await session.get("/")).body.size();
    co_await session.close();
    co_return sum;
}

std::size_t get_often(http_session<on_fibers>& session, int times) {
    std::size_t sum = 0;
    for (int i = 0; i < times; ++i) sum += session.get("/").body.size();
    session.close();
    return sum;
}

template <class Runtime>
std::size_t run_gets(Runtime& runtime, http_session<Runtime>& session, int times) {
    if constexpr (stackless_runtime<Runtime>) {
        return runtime.run(get_often(session, times));
    } else {
        return runtime.run([&] { return get_often(session, times); });
    }
}

template <class Runtime>
class HttpSession : public testing::Test {
public:
    std::size_t get(int times, bool keeps, nanoseconds patience = nanoseconds::max()) {
        http_session session(runtime_, endpoint(port_of(listener)), keeps, patience);
        return run_gets(runtime_, session, times);
    }

    unique_descriptor listener = open_listener(endpoint());

private:
    epoll_loop loop_;
    Runtime runtime_{loop_};
};
using both_colours = testing::Types<on_coroutines, on_fibers>;
TYPED_TEST_SUITE(HttpSession, both_colours);

TYPED_TEST(HttpSession, AConnectionForEachRequest) {
    std::jthread server([&] { serve_once_each(this->listener.get(), 3, 3); });
    EXPECT_EQ(this->get(3, false), 6);
}

TYPED_TEST(HttpSession, AKeptConnectionThatTheServerHasClosedIsOpenedAnew) {
    std::jthread server([&] { serve_once_each(this->listener.get(), 3, 3); });
    EXPECT_EQ(this->get(3, true), 6);
}

TYPED_TEST(HttpSession, ANewConnectionThatTheServerClosesIsNoReasonToTryAgain) {
    std::jthread server([&] { serve_once_each(this->listener.get(), 2, 1); });
    EXPECT_THROW(this->get(2, true), http_hung_up);
}

TYPED_TEST(HttpSession, WithNoServerThereIsNoConnection) {
    const endpoint where(port_of(this->listener));
    this->listener = unique_descriptor();
    epoll_loop loop;
    TypeParam runtime(loop);
    http_session session(runtime, where);
    try {
        run_gets(runtime, session, 1);
        FAIL() << "connected to nobody";
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), std::errc::connection_refused);
    }
}

TYPED_TEST(HttpSession, PatienceEndsWithAServerThatSaysNothing) {
    try {
        this->get(1, true, std::chrono::milliseconds(10));
        FAIL() << "answered by nobody";
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), std::errc::timed_out);
    }
}

}  // namespace
}  // namespace overlap
