// The messages of every connection, made when they are needed, and what must come back for them.
#pragma once

#include "asking.hpp"
#include "bench/workloads/leaf_values.hpp"
#include "options.hpp"
#include "payload.hpp"
#include "schedule.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <unordered_map>
#include <vector>

namespace overlap::load {

/// Keeps two messages of each connection: the one that comes back and the one that leaves, unless
/// more of them are under way.
class message_store {
public:
    /// Works out beforehand what must come back for those that ask for work.
    explicit message_store(const load_options& options)
        : seed_(options.seed), size_(options.bytes), work_(options.work),
          bytes_(2 * options.connections * options.bytes),
          kept_(2 * options.connections, std::numeric_limits<std::size_t>::max()) {
        if (work_.steps == 0) return;
        answer_.resize(size_);
        const std::size_t most = message_count(options) / options.connections + 1;
        compute_answers(options.connections, most);
    }

    /// Valid until another message of the connection is asked for.
    std::span<const std::byte> of(std::size_t connection, std::size_t message) {
        const std::size_t slot = 2 * connection + message % 2;
        const std::span<std::byte> bytes = std::span(bytes_).subspan(slot * size_, size_);
        if (kept_[slot] != message) {
            fill_message(bytes, seed_, connection, message);
            if (work_.steps != 0) {
                write_steps(bytes, asks(connection, message) ? work_.steps : 0);
            }
            kept_[slot] = message;
        }
        return bytes;
    }

    /// What must come back for it. Valid until either function is called again.
    std::span<const std::byte> answer_to(std::size_t connection, std::size_t message) {
        const std::span<const std::byte> sent = of(connection, message);
        if (!asks(connection, message)) return sent;
        std::memcpy(answer_.data(), sent.data(), size_);
        const std::uint32_t value = values_.at(key(connection, message));
        std::memcpy(answer_.data() + place_of_state, &value, sizeof value);
        return answer_;
    }

    [[nodiscard]] bool asks(std::size_t connection, std::size_t message) const noexcept {
        return work_.is_asked_by(seed_, connection, message);
    }

private:
    static std::uint64_t key(std::size_t connection, std::size_t message) noexcept {
        return (std::uint64_t{connection} << 32U) | message;
    }

    void compute_answers(std::size_t connections, std::size_t messages) {
        std::vector<std::uint64_t> keys;
        std::vector<std::uint32_t> states;
        std::array<std::byte, asked_work::least_bytes> beginning{};
        for (std::size_t connection = 0; connection < connections; ++connection) {
            for (std::size_t message = 0; message < messages; ++message) {
                if (!asks(connection, message)) continue;
                fill_message(beginning, seed_, connection, message);
                keys.push_back(key(connection, message));
                states.push_back(state_in(beginning));
            }
        }
        bench::step_all(std::span(states), work_.steps);
        for (std::size_t i = 0; i < keys.size(); ++i) values_.emplace(keys[i], states[i]);
    }

    std::uint64_t seed_;
    std::size_t size_;
    asked_work work_;
    std::vector<std::byte> bytes_;
    std::vector<std::size_t> kept_;  // which message is in a place
    std::vector<std::byte> answer_;
    std::unordered_map<std::uint64_t, std::uint32_t> values_;
};

}  // namespace overlap::load
