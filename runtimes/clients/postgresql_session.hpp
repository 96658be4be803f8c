// A small client of PostgreSQL: prepared statements over one connection, on any runtime.
//
//   postgresql_session session(runtime);
//   co_await session.open(endpoint(5432), {"user", "database"});
//   co_await session.prepare("by_key", "SELECT price FROM items WHERE item = $1");
//   co_await session.query("by_key", "7");
//   const auto price = session.answer().number<std::int32_t>(0, 0);
//   co_await session.close();
//
// On a runtime whose tasks are plain functions (fibers, threads) the same without co_await.
#pragma once

#include <overlap/clients/exchange.hpp>
#include <overlap/clients/postgresql_exchange.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/core/socket.hpp>
#include <overlap/coroutine/task.hpp>

#include <concepts>
#include <string_view>
#include <system_error>
#include <utility>

namespace overlap {

/// A connection, for one task at a time. All calls throw std::system_error, postgresql_error and, with the
/// server's words, query_error. Close it at the end, also after a failure.
template <runtime Runtime>
class postgresql_session {
public:
    explicit postgresql_session(Runtime& runtime) : runtime_(runtime) {}

    /// Once.
    [[nodiscard]] auto open(const endpoint& server, postgresql_login login) {
        return postgresql_open(*this, server, std::move(login));
    }
    [[nodiscard]] auto prepare(std::string_view name, std::string_view statement) {
        protocol_.begin_prepare(name, statement);
        return exchange(runtime_, descriptor_, protocol_);
    }
    /// Of a prepared statement, with its parameters in text.
    template <std::convertible_to<std::string_view>... Parameters>
    [[nodiscard]] auto query(std::string_view name, const Parameters&... parameters) {
        protocol_.begin_query(name, {std::string_view(parameters)...});
        return exchange(runtime_, descriptor_, protocol_);
    }
    /// To the last query.
    [[nodiscard]] const postgresql_exchange& answer() const noexcept { return protocol_; }
    /// Returns when the server has ended the connection, too, so that it counts as none of those it allows.
    [[nodiscard]] auto close() { return postgresql_close(*this); }

    // For postgresql_open and postgresql_close.
    [[nodiscard]] Runtime& where() noexcept { return runtime_; }
    [[nodiscard]] int& descriptor() noexcept { return descriptor_; }
    [[nodiscard]] postgresql_exchange& protocol() noexcept { return protocol_; }

private:
    Runtime& runtime_;
    int descriptor_ = -1;
    postgresql_exchange protocol_;
};

template <stackless_runtime Runtime>
task<void> postgresql_open(postgresql_session<Runtime>& session, endpoint server,
                           postgresql_login login) {
    session.descriptor() = co_await session.where().connect(server);
    session.protocol().begin_login(login);
    co_await exchange(session.where(), session.descriptor(), session.protocol());
}

template <direct_runtime Runtime>
void postgresql_open(postgresql_session<Runtime>& session, endpoint server,
                     postgresql_login login) {
    session.descriptor() = session.where().connect(server);
    session.protocol().begin_login(login);
    exchange(session.where(), session.descriptor(), session.protocol());
}

template <stackless_runtime Runtime>
task<void> postgresql_close(postgresql_session<Runtime>& session) {
    try {
        if (session.protocol().usable()) {
            session.protocol().begin_close();
            co_await exchange(session.where(), session.descriptor(), session.protocol());
        }
        // NOLINTNEXTLINE(bugprone-empty-catch): who is gone has ended it.
    } catch (const std::system_error&) {}
    const int descriptor = std::exchange(session.descriptor(), -1);
    if (descriptor >= 0) co_await session.where().close(descriptor);
}

template <direct_runtime Runtime>
void postgresql_close(postgresql_session<Runtime>& session) {
    try {
        if (session.protocol().usable()) {
            session.protocol().begin_close();
            exchange(session.where(), session.descriptor(), session.protocol());
        }
        // NOLINTNEXTLINE(bugprone-empty-catch): who is gone has ended it.
    } catch (const std::system_error&) {}
    const int descriptor = std::exchange(session.descriptor(), -1);
    if (descriptor >= 0) session.where().close(descriptor);
}

}  // namespace overlap
