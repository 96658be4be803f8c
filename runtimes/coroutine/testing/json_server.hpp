// Starts json_server.py beside this file, and ends it.
#pragma once

#include <overlap/core/error.hpp>
#include <overlap/core/socket.hpp>

#include <array>
#include <cstdint>
#include <cstdio>
#include <fcntl.h>
#include <spawn.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace overlap {

/// The server's process. Throws std::system_error when it cannot be started.
class json_server {
public:
    json_server(const std::string& python, const std::string& script) {
        auto [server_reads, we_write] = open_pipe();
        auto [we_read, server_writes] = open_pipe();
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, server_reads.get(), STDIN_FILENO);
        posix_spawn_file_actions_adddup2(&actions, server_writes.get(), STDOUT_FILENO);
        std::array<std::string, 2> words{python, script};
        std::array<char*, 3> arguments{words[0].data(), words[1].data(), nullptr};
        const int error =
            ::posix_spawn(&id_, python.c_str(), &actions, nullptr, arguments.data(), environ);
        posix_spawn_file_actions_destroy(&actions);
        if (error != 0) throw_errno(error, "cannot start " + python);
        server_writes = unique_descriptor();
        life_line_ = std::move(we_write);
        port_ = read_port(we_read);
    }
    ~json_server() {
        life_line_ = unique_descriptor();  // The end of its standard input is the end of it.
        ::waitpid(id_, nullptr, 0);
    }
    json_server(const json_server&) = delete;
    json_server& operator=(const json_server&) = delete;

    [[nodiscard]] endpoint where() const { return endpoint(port_); }

private:
    struct pipe_ends {
        unique_descriptor read;
        unique_descriptor write;
    };

    static pipe_ends open_pipe() {
        std::array<int, 2> ends{};
        check_errno(::pipe2(ends.data(), O_CLOEXEC), "pipe");
        return {unique_descriptor(ends[0]), unique_descriptor(ends[1])};
    }

    static std::uint16_t read_port(const unique_descriptor& from) {
        std::string line;
        for (char next = 0; ::read(from.get(), &next, 1) == 1 && next != '\n';) line += next;
        if (line.empty()) throw_errno(ECONNREFUSED, "the JSON server did not say its port");
        return static_cast<std::uint16_t>(std::stoul(line));
    }

    pid_t id_ = -1;
    unique_descriptor life_line_;
    std::uint16_t port_ = 0;
};

}  // namespace overlap
