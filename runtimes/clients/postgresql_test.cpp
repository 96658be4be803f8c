// What PostgreSQL, and who pretends to be it, may say: cut short, hostile, and in any pieces; the session
// with a server that was made up; and, where test_postgresql.py has started one, with a real one.
#include <overlap/clients/postgresql_session.hpp>
#include <overlap/core/blocking_calls.hpp>
#include <overlap/coroutine/coroutine.hpp>
#include <overlap/fiber/fiber.hpp>
#include <overlap/loops/epoll.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace overlap {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string number(std::int32_t value) {
    const auto bits = static_cast<std::uint32_t>(value);
    std::string bytes;
    for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(bits >> shift);
    return bytes;
}

std::string message(char letter, const std::string& body) {
    return letter + number(static_cast<std::int32_t>(body.size()) + 4) + body;
}

std::string row(const std::string& value) {
    return message('D', std::string("\0\1", 2) + number(static_cast<std::int32_t>(value.size())) +
                            value);
}

std::string failure(const std::string& code, const std::string& words) {
    return message('E', "SERROR" + std::string(1, '\0') + "C" + code + std::string(1, '\0') + "M" +
                            words + std::string(2, '\0'));
}

const std::string ready = message('Z', "I");
const std::string admitted = message('R', number(0));
const std::string welcome = admitted + message('S', std::string("TimeZone\0UTC\0", 13)) +
                            message('K', number(1) + number(2)) + ready;
const std::string seven =
    message('2', "") + row(number(7)) + message('C', std::string("SELECT 1\0", 9)) + ready;

/// Goes on with what has begun: `answer` comes in pieces of `piece` bytes, and then the end.
void hear(postgresql_exchange& protocol, const std::string& answer, std::size_t piece = 1000) {
    std::size_t at = 0;
    while (!protocol.done()) {
        protocol.sent();
        const std::size_t size = std::min({piece, answer.size() - at, protocol.room().size()});
        std::memcpy(protocol.room().data(), answer.data() + at, size);
        at += size;
        protocol.received(size);
    }
}

void log_in(postgresql_exchange& protocol) {
    protocol.begin_login({"u", "d"});
    hear(protocol, welcome);
}

/// What is wrong with the answer to a login, or to a query after it.
std::string failure_of(const std::string& answer, bool of_login = false,
                       const std::string& password = "") {
    postgresql_exchange protocol;
    if (!of_login) log_in(protocol);
    if (of_login) protocol.begin_login({"u", "d", password});
    if (!of_login) protocol.begin_query("q", {"1"});
    try {
        hear(protocol, answer);
    } catch (const std::exception& error) {
        EXPECT_FALSE(protocol.usable());
        return error.what();
    }
    return "none";
}

TEST(PostgresqlExchange, WhatItSaysIsTheProtocols) {
    postgresql_exchange protocol;
    const auto said = [&] {
        const auto bytes = protocol.to_send();
        return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    protocol.begin_login({"u", "d"});
    EXPECT_EQ(said(), number(27) + number(196608) + std::string("user\0u\0database\0d\0\0", 19));
    hear(protocol, welcome);
    protocol.begin_query("q", {"12", "3"});
    const std::string parameters = number(2) + "12" + number(1) + "3";
    EXPECT_EQ(said(), message('B', std::string("\0q\0\0\0\0\2", 7) + parameters +
                                       std::string("\0\1\0\1", 4)) +
                          message('E', std::string(5, '\0')) + message('S', ""));
}

TEST(PostgresqlExchange, AnAnswerMayComeInAnyPieces) {
    for (const std::size_t piece : {1UL, 7UL, 1000UL}) {
        postgresql_exchange protocol;
        log_in(protocol);
        protocol.begin_query("q", {"1"});
        hear(protocol, seven, piece);
        ASSERT_EQ(protocol.rows(), 1);
        EXPECT_EQ(protocol.number<std::int32_t>(0, 0), 7);
    }
}

TEST(PostgresqlExchange, AnAnswerMayBeLongerThanItsFirstBuffer) {
    postgresql_exchange protocol;
    log_in(protocol);
    protocol.begin_query("q", {"1"});
    hear(protocol, row(std::string(300'000, 'x')) + row("y") + ready, 100'000);
    ASSERT_EQ(protocol.rows(), 2);
    EXPECT_EQ(protocol.field(0, 0)->size(), 300'000);
    EXPECT_EQ(protocol.field(1, 0), "y");
}

TEST(PostgresqlExchange, NullIsNoNumberAndNoOtherColumnIsThere) {
    postgresql_exchange protocol;
    log_in(protocol);
    protocol.begin_query("q", {"1"});
    hear(protocol, message('D', std::string("\0\2", 2) + number(-1) + number(2) + "ab") + ready);
    EXPECT_EQ(protocol.field(0, 0), std::nullopt);
    EXPECT_EQ(protocol.number<std::int16_t>(0, 1), 'a' * 256 + 'b');
    EXPECT_THROW((void)protocol.number<std::int32_t>(0, 0), postgresql_error);
    EXPECT_THROW((void)protocol.number<std::int32_t>(0, 1), postgresql_error);
    EXPECT_THROW((void)protocol.field(0, 2), postgresql_error);
    EXPECT_THROW((void)protocol.field(1, 0), postgresql_error);
}

TEST(PostgresqlExchange, AfterAnErrorResponseTheConnectionCanBeUsedOn) {
    postgresql_exchange protocol;
    log_in(protocol);
    protocol.begin_prepare("q", "SELEC 1");
    try {
        hear(protocol, failure("42601", "syntax error") + ready);
        FAIL() << "heard no error";
    } catch (const query_error& error) {
        EXPECT_EQ(error.code(), "42601");
        EXPECT_STREQ(error.what(), "syntax error (SQLSTATE 42601)");
    }
    ASSERT_TRUE(protocol.usable());
    protocol.begin_query("q", {"1"});
    hear(protocol, message('N', std::string(1, '\0')) + seven);
    EXPECT_EQ(protocol.number<std::int32_t>(0, 0), 7);
}

TEST(PostgresqlExchange, WhatIsNoWholeAnswerIsSaidInWords) {
    EXPECT_EQ(failure_of(""), "the server hung up before its answer");
    EXPECT_EQ(failure_of(seven.substr(0, 20)), "the server hung up in the middle of its answer");
    EXPECT_EQ(failure_of(failure("57P01", "terminating connection")),
              "terminating connection (SQLSTATE 57P01)");
    EXPECT_EQ(failure_of("HTTP/1.1 400 Bad Request\r\n"), "the answer is not PostgreSQL's");
    EXPECT_THAT(failure_of('D' + number(-1)), HasSubstr("an answer of over 1048576 bytes"));
    EXPECT_THAT(failure_of('D' + number(3)), HasSubstr("an answer of over 1048576 bytes"));
    std::string much;
    for (int i = 0; i < 50; ++i) much += row(std::string(50'000, 'x'));
    EXPECT_THAT(failure_of(much), HasSubstr("an answer of over 1048576 bytes"));
    const std::string cut = "the server's message is cut short";
    EXPECT_EQ(failure_of(message('D', "")), cut);
    EXPECT_EQ(failure_of(message('D', std::string("\0\2", 2) + number(0))), cut);
    EXPECT_EQ(failure_of(message('D', std::string("\0\1", 2) + number(9) + "x")), cut);
    EXPECT_EQ(failure_of(message('E', "Mwords without an end")), cut);
    EXPECT_EQ(failure_of(row("a") + message('D', std::string(2, '\0'))),
              "rows that differ in their columns");
    EXPECT_EQ(failure_of(admitted), "the answer is not PostgreSQL's");
}

TEST(PostgresqlExchange, ALoginThatFailsIsSaidInWords) {
    EXPECT_EQ(failure_of(failure("53300", "sorry, too many clients already"), true),
              "sorry, too many clients already (SQLSTATE 53300)");
    EXPECT_EQ(failure_of(ready, true), "the server lets in who has not logged in");
    const std::string other = "the server asks for a login other than by trust or SCRAM-SHA-256";
    EXPECT_EQ(failure_of(message('R', number(5) + "salt"), true, "secret"), other);
    EXPECT_EQ(failure_of(message('R', number(11) + "r=x,s=y,i=1"), true, "secret"), other);
    const std::string sasl = message('R', number(10) + std::string("SCRAM-SHA-256\0\0", 15));
    EXPECT_EQ(failure_of(sasl, true), "the server asks for a password");
    EXPECT_EQ(failure_of(sasl + admitted, true, "secret"), other);
    EXPECT_EQ(failure_of(sasl + message('R', number(11) + "r=x,s=W22Z,i=4096"), true, "secret"),
              "the server does not go on from what it was told");
    EXPECT_EQ(failure_of(sasl + message('R', number(12) + "v="), true, "secret"),
              "the server does not know the password");
    postgresql_exchange protocol;
    EXPECT_THROW(protocol.begin_prepare("q", "SELECT 1"), postgresql_error);
}

// The example of RFC 7677, section 3.
constexpr auto rfc_nonce = "rOprNGfwEbeRWgbNEkqO";
constexpr auto rfc_challenge =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

TEST(ScramClient, SpeaksAsTheExampleOfItsSpecification) {
    scram_client client("pencil", "user", rfc_nonce);
    EXPECT_EQ(client.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    EXPECT_EQ(client.answer(rfc_challenge),
              "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
              "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    client.finish("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    EXPECT_THROW(client.finish("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5="),
                 std::invalid_argument);
    EXPECT_THROW(client.finish("e=other-error"), std::invalid_argument);
}

TEST(ScramClient, RefusesChallengesThatAreNotSound) {
    const std::string nonce = rfc_nonce;
    const std::vector<std::string> challenges{"",
                                              "r=",
                                              "r=" + nonce + ",s=W22Z,i=4096",
                                              "r=x" + nonce + ",s=W22Z,i=4096",
                                              "r=" + nonce + "x,i=4096",
                                              "r=" + nonce + "x,s=W22,i=4096",
                                              "r=" + nonce + "x,s====,i=4096",
                                              "r=" + nonce + "x,s=W22Z",
                                              "r=" + nonce + "x,s=W22Z,i=0",
                                              "r=" + nonce + "x,s=W22Z,i=-1",
                                              "r=" + nonce + "x,s=W22Z,i=9999999",
                                              "r=" + nonce + "x,s=W22Z,i=99999999999"};
    for (const std::string& wrong : challenges) {
        scram_client client("pencil", "", nonce);
        EXPECT_THROW((void)client.answer(wrong), std::invalid_argument) << wrong;
    }
    EXPECT_NE(scram_client("p").first(), scram_client("p").first());
}

using on_fibers = fiber<epoll_loop>;
using on_coroutines = coroutine<epoll_loop>;

constexpr auto by_key = "SELECT abalance FROM pgbench_accounts WHERE aid = $1";

/// A query that is right, one that fails, and one that is right again: what the two say.
task<std::int64_t> query_thrice(postgresql_session<on_coroutines>& session, const endpoint& where,
                                const postgresql_login& login) {
    std::int64_t sum = 0;
    std::exception_ptr failure;
    try {
        co_await session.open(where, login);
        co_await session.prepare("by_key", by_key);
        for (const std::string_view key : {"1", "no number", "77777"}) {
            try {
                co_await session.query("by_key", key);
                sum += session.answer().number<std::int32_t>(0, 0);
            } catch (const query_error& error) {
                EXPECT_EQ(error.code(), "22P02") << error.what();
            }
        }
    } catch (...) {
        failure = std::current_exception();
    }
    co_await session.close();
    if (failure) std::rethrow_exception(failure);
    co_return sum;
}

std::int64_t query_thrice(postgresql_session<on_fibers>& session, const endpoint& where,
                          const postgresql_login& login) {
    std::int64_t sum = 0;
    std::exception_ptr failure;
    try {
        session.open(where, login);
        session.prepare("by_key", by_key);
        for (const std::string_view key : {"1", "no number", "77777"}) {
            try {
                session.query("by_key", key);
                sum += session.answer().number<std::int32_t>(0, 0);
            } catch (const query_error& error) {
                EXPECT_EQ(error.code(), "22P02") << error.what();
            }
        }
    } catch (...) {
        failure = std::current_exception();
    }
    session.close();
    if (failure) std::rethrow_exception(failure);
    return sum;
}

template <class Runtime>
class PostgresqlSession : public testing::Test {
public:
    std::int64_t query(const endpoint& where, const postgresql_login& login = {"u", "d"}) {
        postgresql_session session(runtime_);
        if constexpr (stackless_runtime<Runtime>) {
            return runtime_.run(query_thrice(session, where, login));
        } else {
            return runtime_.run([&] { return query_thrice(session, where, login); });
        }
    }

private:
    epoll_loop loop_;
    Runtime runtime_{loop_};
};
using both_colours = testing::Types<on_coroutines, on_fibers>;
TYPED_TEST_SUITE(PostgresqlSession, both_colours);

/// Gives these answers, each to whatever it is told, on one connection, and then hangs up.
void answer_in_turn(int listener, const std::vector<std::string>& answers) {
    const unique_descriptor connection(blocking_calls::accept(listener));
    std::array<std::byte, 1000> heard;
    for (const std::string& each : answers) {
        blocking_calls::read(connection.get(), heard);
        blocking_calls::write(connection.get(), std::as_bytes(std::span(each)));
    }
    blocking_calls::read(connection.get(), heard);
}

TYPED_TEST(PostgresqlSession, GoesOnAfterAQueryThatFails) {
    const unique_descriptor listener = open_listener(endpoint());
    const std::vector<std::string> answers{welcome, message('1', "") + ready, seven,
                                           failure("22P02", "no number") + ready, seven};
    std::jthread server([&] { answer_in_turn(listener.get(), answers); });
    EXPECT_EQ(this->query(endpoint(port_of(listener))), 14);
}

TYPED_TEST(PostgresqlSession, AServerThatHangsUpIsSaidInWords) {
    const unique_descriptor listener = open_listener(endpoint());
    const std::vector<std::string> answers{welcome, message('1', "") + ready};
    std::jthread server([&] { answer_in_turn(listener.get(), answers); });
    try {
        this->query(endpoint(port_of(listener)));
        FAIL() << "answered by nobody";
    } catch (const postgresql_error& error) {
        EXPECT_STREQ(error.what(), "the server hung up before its answer");
    }
}

/// The accounts of pgbench, with balances that follow from their keys, as overlap.servers.postgresql makes them.
std::uint16_t port_of_real_server() {
    const char* port = std::getenv("OVERLAP_POSTGRESQL_PORT");
    return port == nullptr ? std::uint16_t{0} : static_cast<std::uint16_t>(std::stoi(port));
}
constexpr std::int64_t right_sum =
    1 * 2'654'435'761LL % 2'147'483'647 + 77'777 * 2'654'435'761LL % 2'147'483'647;

TYPED_TEST(PostgresqlSession, QueriesARealServerWithoutAPassword) {
    if (port_of_real_server() == 0) GTEST_SKIP() << "test_postgresql.py starts one";
    EXPECT_EQ(this->query(endpoint(port_of_real_server()), {"overlap", "overlap"}), right_sum);
}

TYPED_TEST(PostgresqlSession, QueriesARealServerWithAPassword) {
    if (port_of_real_server() == 0) GTEST_SKIP() << "test_postgresql.py starts one";
    const endpoint where(port_of_real_server());
    EXPECT_EQ(this->query(where, {"overlap_scram", "overlap", "correct horse"}), right_sum);
    for (const auto& [login, words] :
         {std::pair<postgresql_login, std::string>{{"overlap_scram", "overlap", "battery staple"},
                                                   "password authentication failed"},
          {{"overlap_scram", "overlap"}, "the server asks for a password"},
          {{"overlap", "no such"}, "database \"no such\" does not exist"},
          {{"nobody", "overlap"}, "role \"nobody\" does not exist"}}) {
        try {
            this->query(where, login);
            FAIL() << "let in: " << words;
        } catch (const postgresql_error& error) {
            EXPECT_THAT(error.what(), StartsWith(words));
        }
    }
}

}  // namespace
}  // namespace overlap
