// Starts json_server.py beside this file, and ends it.
#pragma once

#include <overlap/core/child_process.hpp>
#include <overlap/core/error.hpp>
#include <overlap/core/socket.hpp>

#include <cstdint>
#include <string>
#include <unistd.h>
#include <utility>

namespace overlap {

/// The server's process. Throws std::system_error when it cannot be started.
class json_server {
public:
    json_server(const std::string& python, const std::string& script) {
        pipe_ends requests;
        pipe_ends answers;
        child_ = child_process::program({python, script},
                                        {requests.read.get(), answers.write.get(), -1});
        answers.write = unique_descriptor();
        life_line_ = std::move(requests.write);
        port_ = read_port(answers.read);
    }
    ~json_server() {
        life_line_ = unique_descriptor();  // The end of its standard input is the end of it.
        if (child_.exists()) child_.wait();
    }
    json_server(const json_server&) = delete;
    json_server& operator=(const json_server&) = delete;

    [[nodiscard]] endpoint where() const { return endpoint(port_); }

private:
    static std::uint16_t read_port(const unique_descriptor& from) {
        std::string line;
        for (char next = 0; ::read(from.get(), &next, 1) == 1 && next != '\n';) line += next;
        if (line.empty()) throw_errno(ECONNREFUSED, "the JSON server did not say its port");
        return static_cast<std::uint16_t>(std::stoul(line));
    }

    child_process child_;
    unique_descriptor life_line_;
    std::uint16_t port_ = 0;
};

}  // namespace overlap
