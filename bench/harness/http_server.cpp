#include "bench/harness/http_server.hpp"

#include <overlap/core/error.hpp>

#include <cstdint>
#include <ctime>
#include <regex>
#include <stdexcept>

namespace overlap::bench {

http_server read_http_server(const std::string& url) {
    static const std::regex form("http://([0-9.]{7,15})(:([0-9]{1,5}))?/?");
    std::smatch found;
    const auto bad = [&] {
        return std::invalid_argument("'" + url + "', expected http://ADDRESS:PORT, as in " +
                                     "http://127.0.0.1:8080");
    };
    if (!std::regex_match(url, found, form)) throw bad();
    const int port = found[3].matched ? std::stoi(found[3]) : 80;
    if (port < 1 || port > 65535) throw bad();
    try {
        http_server server;
        server.url = url;
        server.where = endpoint(found[1], static_cast<std::uint16_t>(port));
        return server;
    } catch (const std::system_error&) {
        throw bad();
    }
}

double cpu_seconds_of(pid_t process) {
    clockid_t clock{};
    timespec used{};
    // clock_getcpuclockid(3) returns its error.
    const int error = ::clock_getcpuclockid(process, &clock);
    if (error != 0) throw_errno(error, "the HTTP server, process " + std::to_string(process));
    check_errno(::clock_gettime(clock, &used), "clock_gettime of the HTTP server");
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
}

}  // namespace overlap::bench
