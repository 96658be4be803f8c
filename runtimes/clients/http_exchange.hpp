// One request and its answer, in HTTP/1.1, over bytes: Boost.Beast's parser, no sockets.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace overlap {

/// What came back is not HTTP, ends too early, or is too long.
class http_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// The server closed the connection before its answer.
class http_hung_up : public http_error {
public:
    http_hung_up() : http_error("the server hung up before its answer") {}
};

struct http_response {
    int status = 0;
    std::string body;
};

/// A GET of `path`, for JSON. `keeps` says whether the connection is to be kept.
inline std::string http_request(std::string_view path, bool keeps) {
    std::string text = "GET ";
    text.append(path).append(" HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n");
    return text.append(keeps ? "\r\n" : "Connection: close\r\n\r\n");
}

/// A protocol for exchange(), used once. `buffer` must outlive it.
class http_exchange {
public:
    static constexpr std::size_t buffer_size = 16384;  ///< More than headers may have.
    static constexpr std::size_t longest_body = std::size_t{1} << 20;

    http_exchange(std::string request, std::span<std::byte> buffer)
        : request_(std::move(request)), buffer_(buffer) {
        parser_.eager(true);
        // The bound is expect_bounded(): to Beast of Boost 1.74 everything exceeds a limit of none.
        parser_.body_limit(std::numeric_limits<std::uint64_t>::max());
    }

    [[nodiscard]] bool done() const { return parser_.is_done(); }
    [[nodiscard]] std::span<const std::byte> to_send() const {
        return std::as_bytes(std::span(request_));
    }
    void sent() { request_.clear(); }
    [[nodiscard]] std::span<std::byte> room() { return buffer_.subspan(kept_); }

    void received(std::size_t size) {
        boost::system::error_code error;
        if (size == 0) {
            if (!parser_.is_header_done()) throw http_hung_up();
            parser_.put_eof(error);
            if (error) fail("the server hung up in the middle of its answer");
            return;
        }
        kept_ += size;
        // What is left is the beginning of a header or of a chunk's.
        while (kept_ > 0 && !parser_.is_done()) {
            const std::size_t used =
                parser_.put(boost::asio::const_buffer(buffer_.data(), kept_), error);
            std::memmove(buffer_.data(), buffer_.data() + used, kept_ - used);
            kept_ -= used;
            if (error == boost::beast::http::error::need_more) break;
            if (error) fail("the answer is not HTTP: " + error.message());
        }
        expect_bounded();
        if (kept_ == buffer_.size()) {
            fail("headers of over " + std::to_string(buffer_.size()) + " bytes");
        }
    }

    /// Whether the connection can take another request.
    [[nodiscard]] bool keeps_alive() const { return parser_.keep_alive() && kept_ == 0; }

    [[nodiscard]] http_response response() {
        auto& message = parser_.get();
        return {static_cast<int>(message.result_int()), std::move(message.body())};
    }

private:
    /// As soon as an answer says that it is too long; one that does not say is told by what came.
    void expect_bounded() const {
        if (!parser_.is_header_done()) return;
        const auto said = parser_.content_length();
        if ((said && *said > longest_body) || parser_.get().body().size() > longest_body) {
            fail("an answer of over " + std::to_string(longest_body) + " bytes");
        }
    }

    [[noreturn]] static void fail(const std::string& words) { throw http_error(words); }

    boost::beast::http::response_parser<boost::beast::http::string_body> parser_;
    std::string request_;
    std::span<std::byte> buffer_;
    std::size_t kept_ = 0;
};

}  // namespace overlap
