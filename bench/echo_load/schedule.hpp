// When each message of an open loop is due, and on which connection: drawn before the run.
#pragma once

#include "options.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace overlap::load {

/// Over all connections.
std::size_t message_count(const load_options& options);

/// Messages in the order in which they are due. The last one is due within message_count / rate
/// seconds, so that the offered rate is exactly what was asked for: a Poisson process given how often
/// it arrives (sorted uniform times), or equal distances. Every connection has as many messages as
/// any other, or one fewer.
class schedule {
public:
    /// A schedule of no messages, for a closed loop.
    schedule() = default;

    /// options.open has a value. Throws usage_error if that leaves no message to be measured.
    explicit schedule(const load_options& options);

    [[nodiscard]] std::size_t size() const noexcept { return due_ns_.size(); }

    /// Since the start, of the i-th message.
    [[nodiscard]] std::uint64_t due_ns(std::size_t i) const noexcept { return due_ns_[i]; }
    [[nodiscard]] const std::vector<std::uint64_t>& due_ns() const noexcept { return due_ns_; }

    /// The connection on which the i-th message comes.
    [[nodiscard]] std::size_t connection(std::size_t i) const noexcept { return connection_[i]; }

    /// Which message is a connection's k-th.
    [[nodiscard]] std::size_t message(std::size_t connection, std::size_t k) const noexcept {
        return by_connection_[first_of_[connection] + k];
    }
    [[nodiscard]] std::size_t count(std::size_t connection) const noexcept {
        return first_of_[connection + 1] - first_of_[connection];
    }

    /// Messages are counted from here on: the first that is due after the warm-up.
    [[nodiscard]] std::size_t first_measured() const noexcept { return first_measured_; }
    [[nodiscard]] std::uint64_t warm_up_ns() const noexcept { return warm_up_ns_; }
    [[nodiscard]] std::uint64_t duration_ns() const noexcept { return duration_ns_; }

private:
    void leave_out_warm_up(const open_loop& asked);
    void index(std::size_t connections);

    std::vector<std::uint64_t> due_ns_;
    std::vector<std::uint32_t> connection_;
    std::vector<std::size_t> first_of_;         // in by_connection_, and the end of the last
    std::vector<std::uint32_t> by_connection_;  // messages of each connection, one after another
    std::size_t first_measured_ = 0;
    std::uint64_t warm_up_ns_ = 0;
    std::uint64_t duration_ns_ = 0;
};

}  // namespace overlap::load
