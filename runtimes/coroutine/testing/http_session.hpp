// A minimal HTTP/1.1 client on a stackless runtime: enough to GET from a server that says how long
// its answers are.
#pragma once

#include <overlap/core/socket.hpp>
#include <overlap/coroutine/coroutine.hpp>

#include <array>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace overlap {

struct http_response {
    int status = 0;
    std::string body;
};

/// Connections to one server, kept alive between requests. Any number of tasks may get() at once:
/// each takes a connection that is idle, or opens one. Await close() at the end.
template <event_loop Loop>
class http_session {
public:
    http_session(coroutine<Loop>& runtime, const endpoint& server)
        : runtime_(runtime), server_(server) {}

    /// Throws std::system_error when the connection fails, std::runtime_error when what comes back
    /// is not HTTP or ends too early; the connection is closed then.
    task<http_response> get(std::string path) {
        const int connection = co_await take_connection();
        std::exception_ptr failure;
        try {
            const std::string request =
                "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\r\n";
            co_await runtime_.write(connection, std::as_bytes(std::span(request)));
            http_response response = co_await read_response(connection);
            idle_.push_back(connection);
            co_return response;
        } catch (...) {
            failure = std::current_exception();
        }
        co_await runtime_.close(connection);
        std::rethrow_exception(failure);
    }

    task<> close() {
        for (const int connection : std::exchange(idle_, {})) {
            co_await runtime_.close(connection);
        }
    }

private:
    task<int> take_connection() {
        if (idle_.empty()) co_return co_await runtime_.connect(server_);
        const int connection = idle_.back();
        idle_.pop_back();
        co_return connection;
    }

    task<http_response> read_response(int connection) {
        std::string received;
        std::size_t head_size = std::string::npos;
        while ((head_size = received.find("\r\n\r\n")) == std::string::npos) {
            co_await read_more(connection, received);
        }
        const std::string head = received.substr(0, head_size);
        const std::size_t size = head_size + 4 + content_length(head);
        while (received.size() < size) co_await read_more(connection, received);
        co_return http_response{status_of(head), received.substr(head_size + 4)};
    }

    task<> read_more(int connection, std::string& into) {
        std::array<char, 4096> buffer;
        const std::size_t size =
            co_await runtime_.read(connection, std::as_writable_bytes(std::span(buffer)));
        if (size == 0) throw std::runtime_error("the server hung up in the middle of its answer");
        into.append(buffer.data(), size);
    }

    static int status_of(const std::string& head) {
        if (!head.starts_with("HTTP/1.")) throw std::runtime_error("this is not HTTP: " + head);
        return std::stoi(head.substr(head.find(' ')));
    }

    static std::size_t content_length(const std::string& head) {
        static const std::string name = "\r\nContent-Length:";
        const auto found = head.find(name);
        if (found == std::string::npos) throw std::runtime_error("an answer of unknown length");
        return std::stoul(head.substr(found + name.size()));
    }

    coroutine<Loop>& runtime_;
    endpoint server_;
    std::vector<int> idle_;
};

}  // namespace overlap
