// Messages of PostgreSQL's protocol, version 3: a letter, a length, and numbers in network order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace overlap {

/// What came is no answer, or ends too early: the connection is of no more use.
class postgresql_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Appends messages to what is to be sent.
class message_writer {
public:
    /// The first message of a connection has no letter: 0.
    message_writer& begin(char letter) {
        if (letter != '\0') bytes_ += letter;
        start_ = bytes_.size();
        return number<std::int32_t>(0);
    }
    template <class Number>
    message_writer& number(Number value) {
        for (std::size_t shift = 8 * sizeof value; shift > 0; shift -= 8) {
            bytes_ += static_cast<char>(value >> (shift - 8));
        }
        return *this;
    }
    message_writer& bytes(std::string_view text) {
        bytes_ += text;
        return *this;
    }
    message_writer& text(std::string_view text) {
        bytes_ += text;
        bytes_ += '\0';
        return *this;
    }
    void end() {
        const std::size_t size = bytes_.size() - start_;
        for (std::size_t i = 0; i < 4; ++i) {
            bytes_[start_ + i] = static_cast<char>(size >> (8 * (3 - i)));
        }
    }

    [[nodiscard]] std::span<const std::byte> written() const {
        return std::as_bytes(std::span(bytes_));
    }
    void clear() { bytes_.clear(); }

private:
    std::string bytes_;
    std::size_t start_ = 0;
};

/// What is left of a message. Throws postgresql_error where it ends too early.
class message_reader {
public:
    explicit message_reader(std::string_view rest) : rest_(rest) {}

    [[nodiscard]] std::string_view rest() const noexcept { return rest_; }
    template <class Number>
    Number number() {
        std::make_unsigned_t<Number> value = 0;
        for (const char each : bytes(sizeof value)) {
            value = static_cast<std::make_unsigned_t<Number>>(value << 8 |
                                                              static_cast<unsigned char>(each));
        }
        return static_cast<Number>(value);
    }
    std::string_view bytes(std::size_t size) {
        if (size > rest_.size()) throw postgresql_error("the server's message is cut short");
        const std::string_view taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }
    std::string_view text() {
        const std::string_view taken = bytes(rest_.find('\0'));
        rest_.remove_prefix(1);
        return taken;
    }

private:
    std::string_view rest_;
};

}  // namespace overlap
