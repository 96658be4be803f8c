// The server that workloads get documents from: not the harness's, but told to it.
#pragma once

#include <overlap/core/socket.hpp>

#include <string>
#include <sys/types.h>

namespace overlap::bench {

struct http_server {
    std::string url;  ///< "http://127.0.0.1:8080"; empty: there is none.
    std::string why_none = "needs an HTTP server with the documents of fetch: ./scripts/run starts "
                           "nginx, --http names one";
    endpoint where{};   ///< The same.
    pid_t process = 0;  ///< Whose CPU time is reported beside the client's; 0: unknown.
};

/// Reads "http://HOST:PORT", where HOST is an IPv4 address and PORT is 80 unless given. Throws
/// std::invalid_argument with what was expected.
http_server read_http_server(const std::string& url);

/// CPU time that a process and all its threads have used so far, in seconds. Throws std::system_error if
/// there is no such process.
double cpu_seconds_of(pid_t process);

}  // namespace overlap::bench
