// The servers that workloads are clients of: not the harness's, but told to it.
#pragma once

#include "bench/harness/session.hpp"

#include <overlap/core/socket.hpp>

#include <cstddef>
#include <string>
#include <sys/types.h>

namespace overlap::bench {

struct known_server {
    std::string name;      ///< A URL; empty: there is none.
    std::string why_none;  ///< What a row needs.
    endpoint where{};      ///< The same as the name.
    /// Whose CPU time, with that of its children, is reported beside the client's; 0: unknown.
    pid_t process = 0;
};

struct http_server : known_server {};

struct postgresql_server : known_server {
    std::string user{};
    std::string database{};
    std::string password{};  ///< Empty: none. It is in no name, so that no record has it.
};

/// Reads "http://ADDRESS:PORT", where ADDRESS is of IPv4 and PORT is 80 unless given. Throws
/// std::invalid_argument with what was expected.
http_server read_http_server(const std::string& url);

/// Reads "postgresql://USER@ADDRESS:PORT/DATABASE", where PORT is 5432 unless given; the password is that
/// of the environment, PGPASSWORD. Throws std::invalid_argument with what was expected.
postgresql_server read_postgresql_server(const std::string& url);

/// What a server uses during a run.
class server_meter {
public:
    explicit server_meter(pid_t process) noexcept : process_(process) {}

    /// Throws std::system_error if there is no such process.
    void start();
    /// `server_cpu_per_task_s`, if its process is known.
    [[nodiscard]] counters since_start(std::size_t work_items) const;

private:
    pid_t process_;
    double before_s_ = 0;
};

}  // namespace overlap::bench
