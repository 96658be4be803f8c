// Calls a function in a child process, so that a crash or a hang of it is a result like any other.
#pragma once

#include <overlap/core/child_process.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <fcntl.h>
#include <string>
#include <sys/resource.h>
#include <unistd.h>

namespace overlap {

/// How a forked call ended.
struct forked_result {
    bool hung = false;    ///< The time was over, and it was killed.
    int status = 0;       ///< As waitpid(2) gives it.
    std::string message;  ///< What the function returned; empty if it did not get so far.
};

/// Calls `function()` in a child process that is killed after `limit`, and with all that it started
/// unless that has left its process group. The function returns up to 4,000 bytes for the parent. Call
/// it from a process that has only one thread, as a child has only the thread that forked it. Throws
/// std::system_error when there can be no child.
template <class Function>
forked_result forked_call(Function function, std::chrono::seconds limit) {
    pipe_ends line;
    const auto deadline = child_process::clock::now() + limit;
    child_process child = child_process::in_group([&] {
        const rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
        ::setrlimit(RLIMIT_CORE, &no_core);
        const std::string message = function();
        // Shorter than PIPE_BUF, so that the parent need not read before the child has ended.
        const std::size_t size = std::min(message.size(), std::size_t{4'000});
        return ::write(line.write.get(), message.data(), size) < 0 ? 1 : 0;
    });
    forked_result result;
    if (const auto status = child.wait_until(deadline)) {
        result.status = *status;
    } else {
        child.kill();
        result.hung = true;
    }
    // Whoever has left the group may hold the other end of the pipe for as long as they like.
    check_errno(::fcntl(line.read.get(), F_SETFL, O_NONBLOCK), "fcntl");
    std::array<char, 4'096> message{};
    const auto size = ::read(line.read.get(), message.data(), message.size());
    if (size > 0) result.message.assign(message.data(), static_cast<std::size_t>(size));
    return result;
}

}  // namespace overlap
