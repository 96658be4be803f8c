// Answers of all kinds, good and bad, and the session on a runtime whose tasks are plain functions.
#include <overlap/clients/http_session.hpp>
#include <overlap/core/blocking_calls.hpp>
#include <overlap/fiber/fiber.hpp>
#include <overlap/loops/epoll.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
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

/// Answers one request on each of `connections` connections, one after another, and closes it.
void answer_once_each(int listener, int connections) {
    for (int i = 0; i < connections; ++i) {
        const unique_descriptor connection(blocking_calls::accept(listener));
        std::array<std::byte, 1000> request;
        blocking_calls::read(connection.get(), request);
        const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        blocking_calls::write(connection.get(), std::as_bytes(std::span(answer)));
    }
}

TEST(HttpSession, FibersGetWithoutAwaiting) {
    const unique_descriptor listener = open_listener(endpoint());
    std::jthread server([&] { answer_once_each(listener.get(), 3); });
    epoll_loop loop;
    fiber<epoll_loop> runtime(loop);
    const std::size_t bytes = runtime.run([&] {
        http_session session(runtime, endpoint(port_of(listener)), false);
        std::size_t sum = 0;
        for (int i = 0; i < 3; ++i) sum += session.get("/").body.size();
        session.close();
        return sum;
    });
    EXPECT_EQ(bytes, 6);
}

}  // namespace
}  // namespace overlap
