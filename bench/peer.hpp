// Peers: other people's runtimes, each a program of its own that runs the workloads on request.
//
// runtimes/peers/README.md has the protocol, line for line. Here is the harness's end of it.
#pragma once

#include <overlap/core/socket.hpp>

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <sys/types.h>
#include <vector>

namespace overlap::bench {

/// What is known of a peer before it is started: what scripts/run wrote down when it built it.
struct peer {
    std::string name;
    std::string language;
    std::string model;                 ///< "event loop", "fibers", "threads" or "processes".
    std::string version;               ///< Of the runtime, as it says itself.
    std::vector<std::string> command;  ///< The program and its arguments.
    std::string skip;                  ///< Why it cannot run here, in words; empty: it can.
};

/// Reads all `*.json` of a directory, sorted by `order` and name. Throws usage_error.
std::vector<peer> read_peers(const std::filesystem::path& directory);

/// A file in memory that a peer can open by its path, and that vanishes with this object.
class shared_file {
public:
    /// Throws std::system_error.
    explicit shared_file(const char* name);

    [[nodiscard]] const std::string& path() const noexcept { return path_; }

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

/// A peer's program, running, in the caller's process group. Every failure is a
/// std::runtime_error with the peer's last words on standard error.
class peer_process {
public:
    explicit peer_process(const peer& which);
    peer_process(const peer_process&) = delete;
    peer_process& operator=(const peer_process&) = delete;
    ~peer_process();

    /// The first line that it says: what it can do. `startup_s` is how long that took.
    [[nodiscard]] const nlohmann::json& hello() const noexcept { return hello_; }
    [[nodiscard]] double startup_s() const noexcept { return startup_s_; }

    void send(const nlohmann::json& request);
    nlohmann::json receive();

    /// CPU time of the program, all its threads, and all its processes so far, in seconds
    /// (clock_getcpuclockid(3); of those that have ended, by times(2)).
    [[nodiscard]] double cpu_s() const;
    /// The most memory that the program has had resident so far, in bytes.
    [[nodiscard]] double peak_memory_bytes() const;

private:
    [[noreturn]] void fail(const std::string& words);
    std::string last_words() const;

    pid_t pid_ = -1;
    unique_descriptor requests_;
    unique_descriptor answers_;
    unique_descriptor errors_;
    std::string received_;
    nlohmann::json hello_;
    double startup_s_ = 0;
};

}  // namespace overlap::bench
