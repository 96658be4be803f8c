#include "bench/harness/servers.hpp"

#include "bench/harness/process_cpu.hpp"

#include <overlap/core/error.hpp>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <regex>
#include <stdexcept>
#include <system_error>

namespace overlap::bench {

namespace {

/// Nothing if there is no such address, or no such port.
bool read_endpoint(const std::ssub_match& address, const std::ssub_match& port, int usual_port,
                   endpoint& into) {
    constexpr int most = 65535;
    const int number = port.matched ? std::stoi(port) : usual_port;
    if (number < 1 || number > most) return false;
    try {
        into = endpoint(address, static_cast<std::uint16_t>(number));
        return true;
    } catch (const std::system_error&) {
        return false;
    }
}

/// In seconds, of all its processes.
double cpu_seconds_of(pid_t server) {
    if (::kill(server, 0) != 0 && errno == ESRCH) {
        throw_errno(ESRCH, "the server, process " + std::to_string(server));
    }
    return cpu_of_tree(server).sum();
}

}  // namespace

http_server read_http_server(const std::string& url) {
    static const std::regex form("http://([0-9.]{7,15})(:([0-9]{1,5}))?/?");
    std::smatch found;
    http_server server;
    server.name = url;
    if (std::regex_match(url, found, form) && read_endpoint(found[1], found[3], 80, server.where)) {
        return server;
    }
    throw std::invalid_argument("'" + url + "', expected http://ADDRESS:PORT, as in " +
                                "http://127.0.0.1:8080");
}

postgresql_server read_postgresql_server(const std::string& url) {
    static const std::regex form(
        "postgresql://([A-Za-z0-9_-]+)@([0-9.]{7,15})(:([0-9]{1,5}))?/([A-Za-z0-9_-]+)");
    constexpr int usual_port = 5432;
    std::smatch found;
    postgresql_server server;
    server.name = url;
    if (!std::regex_match(url, found, form) ||
        !read_endpoint(found[2], found[4], usual_port, server.where)) {
        throw std::invalid_argument("expected postgresql://USER@ADDRESS:PORT/DATABASE, as in "
                                    "postgresql://me@127.0.0.1:5432/bench, and a password in the "
                                    "environment, PGPASSWORD");
    }
    server.user = found[1];
    server.database = found[5];
    if (const char* password = std::getenv("PGPASSWORD")) server.password = password;
    return server;
}

void server_meter::start() {
    if (process_ != 0) before_s_ = cpu_seconds_of(process_);
}

counters server_meter::since_start(std::size_t work_items) const {
    if (process_ == 0) return {};
    const double used_s = cpu_seconds_of(process_) - before_s_;
    return {{"server_cpu_per_task_s", used_s / static_cast<double>(work_items)}};
}

}  // namespace overlap::bench
