// A small HTTP client: GET over connections that are kept, on any runtime.
//
//   http_session session(runtime, endpoint(8080));
//   const http_response answer = co_await session.get("/items/7");
//   co_await session.close();
//
// On a runtime whose tasks are plain functions (fibers, threads) the same without co_await.
#pragma once

#include <overlap/clients/exchange.hpp>
#include <overlap/clients/http_exchange.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/core/socket.hpp>
#include <overlap/coroutine/task.hpp>

#include <cstddef>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace overlap {

/// A connection with what is read into.
struct http_connection {
    int descriptor = -1;
    std::vector<std::byte> buffer{};
};

/// Connections to one server, kept between requests. Any number of tasks of one loop may get() at once:
/// each takes a connection that is idle, or opens one. Tasks on several threads or processes need a
/// session each. Close it at the end.
template <runtime Runtime>
class http_session {
public:
    http_session(Runtime& runtime, const endpoint& server, bool keeps = true)
        : runtime_(runtime), server_(server), keeps_(keeps) {}

    /// Returns the answer whatever its status. Throws std::system_error when the connection fails,
    /// http_error when what comes back is no answer; that connection is closed then.
    [[nodiscard]] auto get(std::string path) { return http_get(*this, std::move(path)); }
    /// Closes the idle connections. No get() may be under way.
    [[nodiscard]] auto close() { return http_close(*this); }

    // For http_get and http_close.
    [[nodiscard]] Runtime& where() noexcept { return runtime_; }
    [[nodiscard]] const endpoint& server() const noexcept { return server_; }
    [[nodiscard]] bool has_idle() const noexcept { return !idle_.empty(); }
    [[nodiscard]] http_connection take() {
        if (idle_.empty()) return {-1, std::vector<std::byte>(http_exchange::buffer_size)};
        http_connection taken = std::move(idle_.back());
        idle_.pop_back();
        return taken;
    }
    void keep(http_connection connection) { idle_.push_back(std::move(connection)); }
    [[nodiscard]] bool keeps() const noexcept { return keeps_; }
    [[nodiscard]] std::string request(std::string_view path) const {
        std::string text = "GET ";
        text.append(path).append(" HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n");
        return text.append(keeps_ ? "\r\n" : "Connection: close\r\n\r\n");
    }

private:
    Runtime& runtime_;
    endpoint server_;
    bool keeps_;
    std::vector<http_connection> idle_;
};

template <stackless_runtime Runtime>
task<http_response> http_get(http_session<Runtime>& session, std::string path) {
    http_connection connection = session.take();
    http_response response;
    std::exception_ptr failure;
    bool kept = false;
    try {
        if (connection.descriptor < 0) {
            connection.descriptor = co_await session.where().connect(session.server());
        }
        http_exchange protocol(session.request(path), connection.buffer);
        co_await exchange(session.where(), connection.descriptor, protocol);
        kept = session.keeps() && protocol.keeps_alive();
        response = protocol.response();
    } catch (...) {
        failure = std::current_exception();
    }
    if (kept) {
        session.keep(std::move(connection));
    } else if (connection.descriptor >= 0) {
        co_await session.where().close(connection.descriptor);
    }
    if (failure) std::rethrow_exception(failure);
    co_return response;
}

template <direct_runtime Runtime>
http_response http_get(http_session<Runtime>& session, std::string path) {
    http_connection connection = session.take();
    http_response response;
    std::exception_ptr failure;
    bool kept = false;
    try {
        if (connection.descriptor < 0) {
            connection.descriptor = session.where().connect(session.server());
        }
        http_exchange protocol(session.request(path), connection.buffer);
        exchange(session.where(), connection.descriptor, protocol);
        kept = session.keeps() && protocol.keeps_alive();
        response = protocol.response();
    } catch (...) {
        failure = std::current_exception();
    }
    if (kept) {
        session.keep(std::move(connection));
    } else if (connection.descriptor >= 0) {
        session.where().close(connection.descriptor);
    }
    if (failure) std::rethrow_exception(failure);
    return response;
}

template <stackless_runtime Runtime>
task<void> http_close(http_session<Runtime>& session) {
    while (session.has_idle()) {
        const http_connection connection = session.take();
        co_await session.where().close(connection.descriptor);
    }
}

template <direct_runtime Runtime>
void http_close(http_session<Runtime>& session) {
    while (session.has_idle()) {
        const http_connection connection = session.take();
        session.where().close(connection.descriptor);
    }
}

}  // namespace overlap
