// Peers: other people's runtimes, each a program of its own that runs the workloads on request.
//
// runtimes/peers/README.md has the protocol, line for line. Here is the harness's end of it.
#pragma once

#include "bench/harness/process_cpu.hpp"
#include "bench/peers/answer.hpp"

#include <overlap/core/child_process.hpp>
#include <overlap/core/socket.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace overlap::bench {

/// What is known of a peer before it is started: what scripts/run wrote down when it built it.
struct peer {
    std::string name;
    std::string language;
    std::string model;                 ///< "event loop", "fibers", "threads" or "processes".
    std::string version;               ///< Of the runtime and its language, as they say themselves.
    std::vector<std::string> command;  ///< The program and its arguments.
    std::string folder;                ///< In which the program works.
    std::string skip;                  ///< Why it cannot run here, in words; empty: it can.
    std::size_t task_limit = 0;        ///< How many tasks it has in flight at once at most.
    std::size_t cores = 0;             ///< Of all its machines, where they are not this one.
    int order = 0;                     ///< Its place among the peers of a table.
};

/// Reads files, and all `*.json` of directories; sorted by `order` and name. Throws usage_error.
std::vector<peer> read_peers(const std::vector<std::filesystem::path>& places);

/// The last line with a word in what a program wrote on standard error, or the one in which mpirun names a
/// rank that died; empty if there is none.
std::string last_words(std::string_view said);

/// A file in memory that a peer can open by its path, and that vanishes with this object.
class shared_file {
public:
    /// Throws std::system_error.
    explicit shared_file(const char* name);

    [[nodiscard]] const std::string& path() const noexcept { return path_; }

    /// Empties it. Throws std::system_error.
    void clear();

    /// All of it, as values of a trivially copyable type. Throws wrong_result unless it holds
    /// exactly `count` of them; `what` names them.
    template <class Value>
    [[nodiscard]] std::vector<Value> read(std::size_t count, const char* what) const {
        std::vector<Value> values(count);
        read_bytes(std::as_writable_bytes(std::span(values)), what, sizeof(Value));
        return values;
    }

private:
    void read_bytes(std::span<std::byte> into, const char* what, std::size_t size_of_one) const;

    unique_descriptor file_;
    std::string path_;
};

/// A peer's program, running. All that it starts counts as part of it and is ended with it, so that
/// there can be one at a time, in a process without other children. Every failure is a
/// std::runtime_error with the peer's last words on standard error, a limit_error where the peer
/// names a limit, or no_workload; words of a peer are one short line of text in them. Nothing here has a time limit
/// of its own: the benchmark binary ends a measuring process that takes too long.
class peer_process {
public:
    /// Starts it in `folder`, by default that of this process.
    explicit peer_process(const std::vector<std::string>& command, const std::string& folder = ".");
    peer_process(const peer_process&) = delete;
    peer_process& operator=(const peer_process&) = delete;

    /// How long it took from its start to its first line.
    [[nodiscard]] double startup_s() const noexcept { return startup_s_; }
    /// How many tasks it has in flight at once at most, as its first line said.
    [[nodiscard]] std::size_t task_limit() const noexcept { return task_limit_; }

    void send(const nlohmann::json& request);
    /// What the next answer, which has to have it, says of `key`.
    nlohmann::json receive(const std::string& key);
    /// The same, where it has to be a number.
    double receive_number(const std::string& key);
    /// The same, where it has to be true.
    void receive_true(const std::string& key);
    /// Says that there is nothing more to do, and waits for its end for a while. Throws when that is
    /// no plain one.
    void end();
    /// The port on which an echo server listens.
    std::uint16_t receive_port();

    /// How long it takes to tell a request without a workload and to hear of it, in seconds.
    double round_trip_s();

    /// CPU time of the program, all its threads and all that it has started so far.
    [[nodiscard]] cpu_time cpu() const;
    /// The most memory that the program has had resident so far, in bytes, without its processes.
    [[nodiscard]] double peak_memory_bytes() const;

private:
    /// Ends with its owner, whose constructor may throw after it was started.
    struct running_program {
        child_process process;
        running_program() = default;
        running_program(const running_program&) = delete;
        running_program& operator=(const running_program&) = delete;
        ~running_program();
    };

    [[noreturn]] void fail(const std::string& words);
    [[nodiscard]] std::string last_words() const;
    std::string ending();
    std::string receive_line();

    running_program program_;
    unique_descriptor requests_;
    unique_descriptor answers_;
    unique_descriptor errors_;
    std::string received_;
    double startup_s_ = 0;
    std::size_t task_limit_ = 0;
};

}  // namespace overlap::bench
