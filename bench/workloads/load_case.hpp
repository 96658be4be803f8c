// A case whose tasks serve connections: what echo_load sends over them, and when.
#pragma once

#include "bench/cases/case_file.hpp"

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>

namespace overlap::bench {

struct load_case : case_base {
    static constexpr std::int64_t most_rate = 10'000'000;

    std::size_t connections = 0;
    std::size_t messages = 0;  ///< Of each connection.
    std::size_t bytes = 0;     ///< Of each message.
    std::size_t rate = 0;      ///< Messages a second over all connections; 0: a closed loop.
    std::string arrivals = "poisson";

    [[nodiscard]] std::size_t task_count() const noexcept { return connections; }

    /// What a task reads into: more than a message, so that a read that got one whole message is
    /// seen to have emptied the socket.
    [[nodiscard]] std::size_t buffer_size() const noexcept { return (bytes / 4096 + 1) * 4096; }

    /// Until the last message is due, in seconds; 0: it is due when the one before has come back.
    [[nodiscard]] double due_for_s() const noexcept {
        if (rate == 0) return 0;
        return static_cast<double>(connections * messages) / static_cast<double>(rate);
    }

    void read_load(case_reader& reader) {
        constexpr std::int64_t most_connections = 1'000'000;
        constexpr std::int64_t most_bytes = std::int64_t{64} << 20;
        reader.read("connections", connections, 1, most_connections);
        reader.read("bytes", bytes, 1, most_bytes);
        reader.read_optional("rate", rate, 1, most_rate);
        if (reader.has("duration_s")) {
            read_duration(reader);
        } else {
            reader.read("messages", messages, 1, most_tasks);
        }
        if (reader.has("arrivals") && rate == 0) reader.fail("arrivals", "a key `rate` with it");
        reader.read_optional("arrivals", arrivals, {"poisson", "even"});
    }

private:
    /// As many messages as are due in that time.
    void read_duration(case_reader& reader) {
        nanoseconds duration{};
        reader.read("duration_s", duration);
        if (rate == 0) reader.fail("duration_s", "a key `rate` with it");
        if (reader.has("messages")) reader.fail("messages", "either `messages` or `duration_s`");
        const double due =
            static_cast<double>(rate) * std::chrono::duration<double>(duration).count();
        messages = static_cast<std::size_t>(std::ceil(due / static_cast<double>(connections)));
        if (messages < 1 || messages > static_cast<std::size_t>(most_tasks)) {
            reader.fail("duration_s", "1 to " + std::to_string(most_tasks) +
                                          " messages on each connection in that time");
        }
    }
};

}  // namespace overlap::bench
