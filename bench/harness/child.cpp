#include "bench/harness/child.hpp"

#include <overlap/core/error.hpp>
#include <overlap/core/runtime.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
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

namespace overlap::bench {

namespace {

constexpr std::chrono::milliseconds nap{5};

int milliseconds_until(clock::time_point deadline) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000));
}

/// Dies with the parent, however that ends (prctl(2)).
void die_with(pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
}

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
    std::fflush(nullptr);
    adopt_orphans();
    const pid_t parent = ::getpid();
    pid_ = check_errno(::fork(), "fork");
    if (pid_ == 0) {
        ::setpgid(0, 0);
        die_with(parent);
        ::close(line_.release());
        session line(theirs.get(), why, how);
        run_body(line, body);
        std::fflush(nullptr);
        ::_exit(0);
    }
    ::setpgid(pid_, pid_);  // Both sides do it, so that it is done before either goes on.
}

child::~child() {
    if (pid_ < 0) return;
    ::kill(-pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
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
        pollfd readable{.fd = line_.get(), .events = POLLIN, .revents = 0};
        const int patience =
            meanwhile ? static_cast<int>(nap.count()) : milliseconds_until(deadline);
        const int ready = ::poll(&readable, 1, patience);
        if (ready > 0 && !drain(line_.get(), received_)) return std::nullopt;
        if (meanwhile) meanwhile();
        if (ready == 0 && clock::now() >= deadline) throw timed_out("timeout: no answer");
    }
}

std::string child::end() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
    pid_ = -1;
    end_descendants();  // Workers that it left behind, if any.
    return describe_status(status);
}

program::program(const std::vector<std::string>& arguments) {
    std::array<int, 2> out{};
    std::array<int, 2> err{};
    check_errno(::pipe2(out.data(), O_CLOEXEC), "pipe");
    output_ = unique_descriptor(out[0]);
    const unique_descriptor out_end(out[1]);
    check_errno(::pipe2(err.data(), O_CLOEXEC), "pipe");
    errors_ = unique_descriptor(err[0]);
    const unique_descriptor err_end(err[1]);
    std::vector<char*> words;
    words.reserve(arguments.size() + 1);
    for (const auto& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
    words.push_back(nullptr);
    const pid_t parent = ::getpid();
    pid_ = check_errno(::fork(), "fork");
    if (pid_ == 0) {
        die_with(parent);
        ::dup2(out_end.get(), STDOUT_FILENO);
        ::dup2(err_end.get(), STDERR_FILENO);
        ::execv(words[0], words.data());
        std::fprintf(stderr, "cannot run %s: %s\n", words[0], std::strerror(errno));
        ::_exit(127);
    }
}

program::~program() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

program::result program::finish(clock::time_point deadline) {
    result found;
    bool output_open = true;
    bool errors_open = true;
    while (output_open || errors_open) {
        std::array<pollfd, 2> waits{
            pollfd{.fd = output_open ? output_.get() : -1, .events = POLLIN, .revents = 0},
            pollfd{.fd = errors_open ? errors_.get() : -1, .events = POLLIN, .revents = 0}};
        if (::poll(waits.data(), waits.size(), milliseconds_until(deadline)) == 0) {
            throw timed_out("timeout: no end");
        }
        if (waits[0].revents != 0) output_open = drain(output_.get(), found.output);
        if (waits[1].revents != 0) errors_open = drain(errors_.get(), found.errors);
    }
    while (::waitpid(pid_, &found.status, 0) < 0 && errno == EINTR) {}
    pid_ = -1;
    return found;
}

std::string describe_status(int status) {
    if (WIFSIGNALED(status)) {
        return "killed by signal " + std::to_string(WTERMSIG(status)) + " (" +
               strsignal(WTERMSIG(status)) + ")";
    }
    if (WEXITSTATUS(status) != 0) return "exited with " + std::to_string(WEXITSTATUS(status));
    return "";
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
