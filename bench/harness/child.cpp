#include "bench/harness/child.hpp"

#include <overlap/core/error.hpp>
#include <overlap/core/runtime.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

namespace overlap::bench {

namespace {

constexpr std::chrono::milliseconds nap{5};

/// What a process may still take to end once it has said its last.
constexpr std::chrono::seconds ending_patience{10};

/// Servers have as many descriptors as they may (setrlimit(2)): shells tend to allow 1,024 softly.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

void run_body(session& line, const std::function<void(session&)>& body) {
    try {
        raise_descriptor_limit();
        body(line);
    } catch (const limit_error& error) {
        line.report_error(std::string("limit: ") + error.what());
    } catch (const wrong_result& error) {
        line.report_error(std::string("wrong: ") + error.what());
    } catch (const std::bad_alloc&) {
        line.report_error("limit: out of memory");
    } catch (const std::exception& error) {
        line.report_error(std::string("failed: ") + error.what());
    }
}

/// Appends what `from` has to `into`; false at its end.
bool drain(int from, std::string& into) {
    std::array<char, 65536> buffer{};
    const ssize_t size = ::read(from, buffer.data(), buffer.size());
    if (size > 0) into.append(buffer.data(), static_cast<std::size_t>(size));
    return size > 0 || (size < 0 && errno == EINTR);
}

}  // namespace

child::child(purpose why, const memory_run& how, const std::function<void(session&)>& body) {
    std::array<int, 2> ends{};
    check_errno(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), "socketpair");
    line_ = unique_descriptor(ends[0]);
    const unique_descriptor theirs(ends[1]);
    adopt_orphans();
    process_ = child_process::in_group([&] {
        ::close(line_.release());
        ::dup2(STDERR_FILENO, STDOUT_FILENO);
        session line(theirs.get(), why, how);
        run_body(line, body);
        return 0;
    });
}

child::~child() {
    if (!process_.exists()) return;
    process_.kill();
    end_descendants();
}

std::optional<nlohmann::json> child::receive(clock::time_point deadline,
                                             const std::function<void()>& meanwhile) {
    for (;;) {
        const auto end = received_.find('\n');
        if (end != std::string::npos) {
            auto message = nlohmann::json::parse(received_.substr(0, end));
            received_.erase(0, end + 1);
            return message;
        }
        // Whoever the process leaves behind may keep its end of the line open.
        std::array<pollfd, 2> waits{
            pollfd{.fd = line_.get(), .events = POLLIN, .revents = 0},
            pollfd{.fd = process_.descriptor(), .events = POLLIN, .revents = 0}};
        const int patience = meanwhile ? static_cast<int>(nap.count()) : poll_patience(deadline);
        const int ready = ::poll(waits.data(), waits.size(), patience);
        if (ready > 0 && waits[0].revents == 0) return std::nullopt;
        if (ready > 0 && !drain(line_.get(), received_)) return std::nullopt;
        if (meanwhile) meanwhile();
        if (ready == 0 && clock::now() >= deadline) throw timed_out("timeout: no answer");
    }
}

std::string child::end() {
    const auto status = process_.wait_until(clock::now() + ending_patience);
    if (!status) process_.kill();
    end_descendants();  // Workers that it left behind, if any.
    return status ? describe_end(*status) : "did not end";
}

program::program(const std::vector<std::string>& arguments) {
    pipe_ends output;
    pipe_ends errors;
    process_ = child_process::program(arguments, {-1, output.write.get(), errors.write.get()});
    output_ = std::move(output.read);
    errors_ = std::move(errors.read);
}

program::result program::finish(clock::time_point deadline) {
    result found;
    bool output_open = true;
    bool errors_open = true;
    while (output_open || errors_open) {
        std::array<pollfd, 2> waits{
            pollfd{.fd = output_open ? output_.get() : -1, .events = POLLIN, .revents = 0},
            pollfd{.fd = errors_open ? errors_.get() : -1, .events = POLLIN, .revents = 0}};
        if (::poll(waits.data(), waits.size(), poll_patience(deadline)) == 0) {
            throw timed_out("timeout: no end");
        }
        if (waits[0].revents != 0) output_open = drain(output_.get(), found.output);
        if (waits[1].revents != 0) errors_open = drain(errors_.get(), found.errors);
    }
    found.status = process_.wait();
    return found;
}

std::vector<pid_t> tree_of(pid_t root) {
    std::vector<pid_t> found{root};
    for (std::size_t next = 0; next < found.size(); ++next) {
        // A child is listed under the thread that forked it.
        const auto threads = "/proc/" + std::to_string(found[next]) + "/task";
        std::error_code ended;
        std::filesystem::directory_iterator thread(threads, ended);
        for (; !ended && thread != std::filesystem::directory_iterator(); thread.increment(ended)) {
            std::ifstream children(thread->path() / "children");
            for (pid_t each = 0; children >> each;) found.push_back(each);
        }
    }
    return found;
}

void adopt_orphans() { check_errno(::prctl(PR_SET_CHILD_SUBREAPER, 1), "prctl"); }

void end_descendants() {
    // Of processes whose parent we may not kill, the end is not ours to see.
    constexpr std::chrono::seconds patience{10};
    const auto deadline = clock::now() + patience;
    const pid_t self = ::getpid();
    for (bool any = true; any && clock::now() < deadline;) {
        while (::waitpid(-1, nullptr, WNOHANG) > 0) {}
        any = false;
        for (const pid_t process : tree_of(self)) {
            any = (process != self && ::kill(process, SIGKILL) == 0) || any;
        }
        // What is killed ends soon, and then its children are ours.
        if (any) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

double tree_memory_bytes(pid_t root) {
    double sum = 0;
    for (const pid_t process : tree_of(root)) {
        std::ifstream memory("/proc/" + std::to_string(process) + "/smaps_rollup");
        for (std::string line; std::getline(memory, line);) {
            if (line.starts_with("Pss:")) sum += 1024.0 * std::stod(line.substr(4));
        }
    }
    return sum;
}

}  // namespace overlap::bench
