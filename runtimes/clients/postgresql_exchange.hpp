// What a client and PostgreSQL say to each other, over bytes: no sockets.
// Source: https://www.postgresql.org/docs/15/protocol.html
#pragma once

#include <overlap/clients/postgresql_messages.hpp>
#include <overlap/clients/scram.hpp>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace overlap {

/// An ErrorResponse: the server's own words. The connection can be used on, but for those of a login and of
/// a server that ends.
class query_error : public postgresql_error {
public:
    query_error(const std::string& words, std::string code)
        : postgresql_error(words + " (SQLSTATE " + code + ")"), code_(std::move(code)) {}
    [[nodiscard]] const std::string& code() const noexcept { return code_; }

private:
    std::string code_;
};

struct postgresql_login {
    std::string user;
    std::string database;
    std::string password{};  ///< Empty: none.
};

/// The protocol of a connection, for exchange(): begin something, exchange, then begin the next.
class postgresql_exchange {
public:
    static constexpr std::size_t longest_answer = std::size_t{1} << 20;  ///< Bytes, of all rows.

    void begin_login(const postgresql_login& login) {
        usable_ = true;
        begin(stage::login);
        password_ = login.password;
        out_.begin('\0').number(std::int32_t{3 << 16});  // The version.
        out_.text("user").text(login.user).text("database").text(login.database).text("").end();
    }
    void begin_prepare(std::string_view name, std::string_view statement) {
        begin(stage::work);
        out_.begin('P').text(name).text(statement).number(std::int16_t{0}).end();
        out_.begin('S').end();
    }
    /// Parameters are in text, answers in binary.
    void begin_query(std::string_view name, std::initializer_list<std::string_view> parameters) {
        begin(stage::work);
        out_.begin('B').text("").text(name).number(std::int16_t{0});
        out_.number(static_cast<std::int16_t>(parameters.size()));
        for (const std::string_view each : parameters) {
            out_.number(static_cast<std::int32_t>(each.size())).bytes(each);
        }
        out_.number(std::int16_t{1}).number(std::int16_t{1}).end();
        out_.begin('E').text("").number(std::int32_t{0}).end();
        out_.begin('S').end();
    }
    /// Done when the server has ended it, too.
    void begin_close() {
        begin(stage::closing);
        out_.begin('X').end();
    }

    [[nodiscard]] bool done() const noexcept { return done_; }
    [[nodiscard]] std::span<const std::byte> to_send() const { return out_.written(); }
    void sent() { out_.clear(); }
    [[nodiscard]] std::span<std::byte> room() {
        return std::as_writable_bytes(std::span(in_)).subspan(filled_);
    }
    void received(std::size_t size) {
        if (size == 0) return hear_end();
        if (stage_ == stage::closing) return;
        filled_ += size;
        while (!done_ && hear_next()) {}
        if (filled_ < in_.size()) return;
        if (in_.size() > longest_answer) fail_of_size();
        in_.resize(2 * in_.size());
    }

    /// Whether something else can begin.
    [[nodiscard]] bool usable() const noexcept { return usable_; }

    // Of the last answer, until the next begins.
    [[nodiscard]] std::size_t rows() const noexcept { return rows_; }
    /// Nothing is NULL. Throws postgresql_error where there is no such row or column.
    [[nodiscard]] std::optional<std::string_view> field(std::size_t row, std::size_t column) const {
        if (row >= rows_ || column >= columns_) fail("the answer has too few rows or columns");
        const auto [at, size] = fields_[row * columns_ + column];
        if (size < 0) return std::nullopt;
        return std::string_view(in_).substr(at, static_cast<std::size_t>(size));
    }
    /// Throws postgresql_error unless it is a number of this size.
    template <class Number>
    [[nodiscard]] Number number(std::size_t row, std::size_t column) const {
        const auto found = field(row, column);
        if (!found || found->size() != sizeof(Number)) fail("the answer has no such number");
        return message_reader(*found).number<Number>();
    }

private:
    enum class stage { login, work, closing };
    struct place {
        std::size_t at;
        std::int32_t size;
    };

    [[noreturn]] static void fail(const std::string& words) { throw postgresql_error(words); }
    [[noreturn]] static void fail_of_size() {
        fail("an answer of over " + std::to_string(longest_answer) + " bytes");
    }

    void begin(stage what) {
        if (!usable_) fail("the connection has failed before");
        stage_ = what;
        usable_ = done_ = false;
        std::memmove(in_.data(), in_.data() + read_, filled_ - read_);
        filled_ -= std::exchange(read_, 0);
        rows_ = columns_ = 0;
        fields_.clear();
    }

    bool hear_next() {
        const std::string_view there(in_.data() + read_, filled_ - read_);
        constexpr std::size_t head = 5;
        if (there.size() < head) return false;
        if (std::string_view("12ACDEIKNRSZ").find(there[0]) == std::string_view::npos) {
            fail("the answer is not PostgreSQL's");
        }
        const std::size_t size = 1 + message_reader(there.substr(1)).number<std::uint32_t>();
        if (size < head || size > longest_answer) fail_of_size();
        if (there.size() < size) return false;
        read_ += size;
        hear(there[0], message_reader(there.substr(head, size - head)));
        return true;
    }

    void hear(char letter, message_reader said) {
        if (letter == 'R') return authenticate(said);
        if (letter == 'D') return take_row(said);
        if (letter == 'E') {
            failure_ = failure_in(said);
            if (stage_ == stage::login) throw *failure_;  // And the server hangs up.
        }
        if (letter != 'Z') return;
        if (stage_ == stage::login && !admitted_) fail("the server lets in who has not logged in");
        usable_ = done_ = true;
        if (const auto failure = std::exchange(failure_, {})) throw *failure;
    }

    void hear_end() {
        done_ = true;
        if (stage_ == stage::closing) return;
        if (failure_) throw *failure_;
        fail(filled_ == 0 ? "the server hung up before its answer"
                          : "the server hung up in the middle of its answer");
    }

    void authenticate(message_reader said) {
        enum : std::int32_t { ok = 0, sasl = 10, sasl_continue = 11, sasl_final = 12 };
        if (stage_ != stage::login) fail("the answer is not PostgreSQL's");
        const auto what = said.number<std::int32_t>();
        if (what == ok && !(scram_ && !proven_)) {
            admitted_ = true;
        } else if (what == sasl && !scram_) {
            if (password_.empty()) fail("the server asks for a password");
            scram_.emplace(password_);
            const std::string first = scram_->first();
            const auto size = static_cast<std::int32_t>(first.size());
            out_.begin('p').text("SCRAM-SHA-256").number(size).bytes(first).end();
        } else if (what == sasl_continue && scram_) {
            out_.begin('p').bytes(scram_->answer(std::string(said.rest()))).end();
        } else if (what == sasl_final && scram_) {
            scram_->finish(said.rest());
            proven_ = true;
        } else {
            fail("the server asks for a login other than by trust or SCRAM-SHA-256");
        }
    }

    void take_row(message_reader row) {
        const std::size_t columns = row.number<std::uint16_t>();
        if (rows_++ > 0 && columns != columns_) fail("rows that differ in their columns");
        columns_ = columns;
        for (std::size_t i = 0; i < columns; ++i) {
            const auto size = row.number<std::int32_t>();
            const auto at = static_cast<std::size_t>(row.rest().data() - in_.data());
            if (size > 0) row.bytes(static_cast<std::size_t>(size));
            fields_.push_back({at, size});
        }
    }

    static query_error failure_in(message_reader said) {
        std::string words;
        std::string code;
        for (char kind = said.number<std::int8_t>(); kind != 0; kind = said.number<std::int8_t>()) {
            const std::string_view text = said.text();
            if (kind == 'M') words = text;
            if (kind == 'C') code = text;
        }
        return {words, code};
    }

    stage stage_ = stage::login;
    bool usable_ = false;
    bool done_ = true;
    bool admitted_ = false;
    bool proven_ = false;
    message_writer out_;
    std::string in_ = std::string(4096, '\0');
    std::size_t read_ = 0;    // Of what has come, so much has been heard.
    std::size_t filled_ = 0;  // So much has come.
    std::size_t rows_ = 0;
    std::size_t columns_ = 0;
    std::vector<place> fields_;
    std::optional<query_error> failure_;
    std::string password_;
    std::optional<scram_client> scram_;
};

}  // namespace overlap
