// A small HTTP client: GET over connections that are kept, on any runtime.
//
//   http_session session(runtime, endpoint(8080));
//   const http_response answer = co_await session.get("/items/7");
//   co_await session.close();
//
// A GET whose kept connection the server has closed meanwhile is sent once more, on a new one.
//
// On a runtime whose tasks are plain functions (fibers, threads) the same without co_await.
#pragma once

#include <overlap/clients/exchange.hpp>
#include <overlap/clients/http_exchange.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/core/socket.hpp>
#include <overlap/coroutine/task.hpp>

#include <concepts>
#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
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
    /// With `patience`, get() may take no longer. Throws std::invalid_argument if the runtime has no
    /// deadlines.
    http_session(Runtime& runtime, const endpoint& server, bool keeps = true,
                 nanoseconds patience = nanoseconds::max())
        : runtime_(runtime), server_(server), keeps_(keeps), patience_(patience) {
        if (patience != nanoseconds::max() && !timed_runtime<Runtime>) {
            throw std::invalid_argument(std::string(Runtime::name()) + " has no deadlines");
        }
    }

    /// Returns the answer whatever its status. Throws std::system_error when the connection fails or, with
    /// std::errc::timed_out, when patience ends; http_error when what comes back is no answer. That
    /// connection is closed then.
    [[nodiscard]] auto get(std::string path) {
        if constexpr (timed_runtime<Runtime>) {
            if (patience_ != nanoseconds::max()) {
                return http_get(*this, std::move(path), runtime_.now() + patience_);
            }
        }
        return http_get(*this, std::move(path));
    }
    /// Closes the idle connections. No get() may be under way.
    [[nodiscard]] auto close() { return http_close(*this); }

    // For http_get and http_close.
    [[nodiscard]] Runtime& where() noexcept { return runtime_; }
    [[nodiscard]] const endpoint& server() const noexcept { return server_; }
    [[nodiscard]] bool has_idle() const noexcept { return !idle_.empty(); }
    [[nodiscard]] static http_connection unopened() {
        return {-1, std::vector<std::byte>(http_exchange::buffer_size)};
    }
    [[nodiscard]] http_connection take() {
        if (idle_.empty()) return unopened();
        http_connection taken = std::move(idle_.back());
        idle_.pop_back();
        return taken;
    }
    void keep(http_connection connection) { idle_.push_back(std::move(connection)); }
    [[nodiscard]] bool keeps() const noexcept { return keeps_; }
    [[nodiscard]] std::string request(std::string_view path) const {
        return http_request(path, keeps_);
    }

private:
    Runtime& runtime_;
    endpoint server_;
    bool keeps_;
    nanoseconds patience_;
    std::vector<http_connection> idle_;
};

/// Whether a server that had closed a kept connection looks like this. A GET may be sent again then: RFC
/// 9110, section 9.2.2.
inline bool is_hang_up(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const http_hung_up&) {
        return true;
    } catch (const std::system_error& error) {
        return error.code() == std::errc::connection_reset ||
               error.code() == std::errc::broken_pipe;
    } catch (...) {
        return false;
    }
}

template <stackless_runtime Runtime, std::same_as<time_point>... Deadline>
task<http_response> http_get(http_session<Runtime>& session, std::string path,
                             Deadline... deadline) {
    for (bool anew = false;; anew = true) {
        http_connection connection = anew ? session.unopened() : session.take();
        const bool was_kept = connection.descriptor >= 0;
        http_response response;
        std::exception_ptr failure;
        bool kept = false;
        try {
            if (!was_kept) {
                connection.descriptor =
                    co_await session.where().connect(session.server(), deadline...);
            }
            http_exchange protocol(session.request(path), connection.buffer);
            co_await exchange(session.where(), connection.descriptor, protocol, deadline...);
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
        if (!failure) co_return response;
        if (!was_kept || !is_hang_up(failure)) std::rethrow_exception(failure);
    }
}

template <direct_runtime Runtime, std::same_as<time_point>... Deadline>
http_response http_get(http_session<Runtime>& session, std::string path, Deadline... deadline) {
    for (bool anew = false;; anew = true) {
        http_connection connection = anew ? session.unopened() : session.take();
        const bool was_kept = connection.descriptor >= 0;
        http_response response;
        std::exception_ptr failure;
        bool kept = false;
        try {
            if (!was_kept) {
                connection.descriptor = session.where().connect(session.server(), deadline...);
            }
            http_exchange protocol(session.request(path), connection.buffer);
            exchange(session.where(), connection.descriptor, protocol, deadline...);
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
        if (!failure) return response;
        if (!was_kept || !is_hang_up(failure)) std::rethrow_exception(failure);
    }
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
