// The cases of a workload file, and how they are read. bench/README.md says what each key means.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace overlap::bench {

using std::chrono::nanoseconds;

/// A workload file that cannot be used: what() is one line with the file, the line in it, what was
/// found and what was expected.
class specification_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// What the cases of all workloads have in common.
struct case_base {
    std::string name;
    std::size_t iterations = 1;  ///< Measured runs a sample.
    std::size_t cores = 0;       ///< How many cores the backend is held to; 0: all.
    std::size_t repeat = 1;      ///< Most runs a measured iteration, one after another.
};

struct sleeps_case : case_base {
    static constexpr const char* workload = "sleeps";

    std::size_t tasks = 0;
    nanoseconds shortest{};
    nanoseconds longest{};
    std::uint64_t seed = 0;
    std::vector<nanoseconds> listed;  ///< By task; empty when delays are equal or uniform.

    /// How long task `index` sleeps.
    [[nodiscard]] nanoseconds delay(std::size_t index) const noexcept;
    /// The sum of all delays, in seconds; it may be far more than nanoseconds can count.
    [[nodiscard]] double total_delay_s() const noexcept;
    /// The longest delay of any task: `longest` bounds it, and need not be drawn.
    [[nodiscard]] nanoseconds longest_delay() const noexcept;
};

struct gather_case : case_base {
    static constexpr const char* workload = "gather";

    std::size_t fan_out = 0;
    std::size_t depth = 1;   ///< Levels of gathers; the leaves are below the last.
    std::uint32_t work = 0;  ///< Steps of xorshift32 a leaf.

    [[nodiscard]] std::size_t leaves() const noexcept;
    /// Leaves and inner tasks, without the root.
    [[nodiscard]] std::size_t tasks() const noexcept;
};

struct echo_case : case_base {
    static constexpr const char* workload = "echo";

    std::size_t connections = 0;
    std::size_t messages = 0;  ///< Of each connection.
    std::size_t bytes = 0;     ///< Of each message.

    /// What a task reads into: more than a message, so that a read that got one whole message is
    /// seen to have emptied the socket.
    [[nodiscard]] std::size_t buffer_size() const noexcept { return (bytes / 4096 + 1) * 4096; }
};

struct heartbeat_case : case_base {
    static constexpr const char* workload = "heartbeat";

    std::size_t tasks = 0;   ///< That compute, beside the one that beats.
    std::uint32_t work = 0;  ///< Steps of xorshift32 a part.
    std::size_t parts = 1;   ///< A computing task yields before each.
    std::size_t beats = 0;
    nanoseconds interval{};  ///< Between beats.
};

struct mix_case : case_base {
    static constexpr const char* workload = "mix";

    std::size_t tasks = 0;
    std::size_t rounds = 1;
    nanoseconds wait{};      ///< Of each round.
    std::uint32_t work = 0;  ///< Steps of xorshift32 of each round.
};

/// All cases of a file, in its order.
struct specification {
    std::string path;
    std::string hash;  ///< FNV-1a of the file's bytes, as 16 hexadecimal digits.
    std::vector<sleeps_case> sleeps;
    std::vector<gather_case> gather;
    std::vector<echo_case> echo;
    std::vector<heartbeat_case> heartbeat;
    std::vector<mix_case> mix;
};

/// Throws specification_error.
specification read_specification(const std::string& path);

/// SplitMix64's output function (S. Vigna, prng.di.unimi.it/splitmix64.c): uniform delays are
/// drawn by index with it, so that every language draws the same.
[[nodiscard]] constexpr std::uint64_t splitmix64(std::uint64_t state) noexcept {
    std::uint64_t z = state + 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

inline nanoseconds sleeps_case::delay(std::size_t index) const noexcept {
    if (!listed.empty()) return listed[index];
    if (shortest == longest) return longest;
    const auto range = static_cast<std::uint64_t>((longest - shortest).count()) + 1;
    return shortest + nanoseconds(static_cast<std::int64_t>(splitmix64(seed + index) % range));
}

}  // namespace overlap::bench
