#include "bench/peer.hpp"

#include "bench/options.hpp"
#include "bench/session.hpp"

#include <overlap/core/error.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace overlap::bench {

namespace {

using nlohmann::json;

std::string text_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// The CPU time of one live process and of the children that it has waited for, in seconds; 0 when
/// it has just ended.
double cpu_of(pid_t pid) {
    clockid_t clock = 0;
    timespec used{};
    if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0) return 0;
    double sum = static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
    // proc(5): cutime and cstime are the 14th and 15th field after the name in parentheses.
    const std::string stat = text_of("/proc/" + std::to_string(pid) + "/stat");
    std::istringstream fields(stat.substr(std::min(stat.rfind(')') + 1, stat.size())));
    std::vector<std::string> words{std::istream_iterator<std::string>(fields), {}};
    constexpr std::size_t cutime = 13;
    if (words.size() > cutime + 1) {
        sum += (std::stod(words[cutime]) + std::stod(words[cutime + 1])) /
               static_cast<double>(::sysconf(_SC_CLK_TCK));
    }
    return sum;
}

double cpu_of_tree(pid_t root) {
    double sum = cpu_of(root);
    const std::filesystem::path tasks = "/proc/" + std::to_string(root) + "/task";
    std::error_code gone;
    for (const auto& thread : std::filesystem::directory_iterator(tasks, gone)) {
        std::istringstream children(text_of(thread.path() / "children"));
        for (pid_t child = 0; children >> child;) sum += cpu_of_tree(child);
    }
    return sum;
}

struct pipe_ends {
    unique_descriptor read;
    unique_descriptor write;

    pipe_ends() {
        std::array<int, 2> ends{};
        check_errno(::pipe2(ends.data(), O_CLOEXEC), "pipe to a peer");
        read = unique_descriptor(ends[0]);
        write = unique_descriptor(ends[1]);
    }
};

peer read_peer(const std::filesystem::path& path) {
    try {
        const json manifest = json::parse(text_of(path));
        return {manifest.at("name"),    manifest.at("language"), manifest.at("model"),
                manifest.at("version"), manifest.at("command"),  manifest.at("skip")};
    } catch (const json::exception& error) {
        throw usage_error(path.string() + ": no peer's manifest (" + error.what() +
                          "); expected one that ./scripts/run --peers wrote");
    }
}

}  // namespace

std::vector<peer> read_peers(const std::filesystem::path& directory) {
    std::vector<std::filesystem::path> paths;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
        if (entry.path().extension() == ".json") paths.push_back(entry.path());
    }
    if (error || paths.empty()) {
        throw usage_error("--peers=" + directory.string() +
                          ": no peers there; ./scripts/run --peers builds them");
    }
    std::sort(paths.begin(), paths.end());
    std::vector<peer> peers;
    std::transform(paths.begin(), paths.end(), std::back_inserter(peers), read_peer);
    return peers;
}

shared_file::shared_file(const char* name)
    : file_(check_errno(::memfd_create(name, MFD_CLOEXEC), "memfd_create")),
      path_("/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(file_.get())) {}

void shared_file::read_bytes(std::span<std::byte> into, const char* what,
                             std::size_t size_of_one) const {
    struct stat info{};
    check_errno(::fstat(file_.get(), &info), "fstat");
    const auto size = static_cast<std::size_t>(info.st_size);
    if (size != into.size()) {
        throw wrong_result(std::to_string(size / size_of_one) + " of " +
                           std::to_string(into.size() / size_of_one) + " " + what);
    }
    std::size_t done = 0;
    while (done < size) {
        const auto got =
            ::pread(file_.get(), into.data() + done, size - done, static_cast<off_t>(done));
        check_errno(got, "read of what a peer wrote");
        done += static_cast<std::size_t>(got);
    }
}

peer_process::peer_process(const peer& which)
    : errors_(check_errno(::memfd_create("stderr", MFD_CLOEXEC), "memfd_create")) {
    pipe_ends requests;
    pipe_ends answers;
    std::vector<char*> words;
    for (const auto& word : which.command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    const auto start = std::chrono::steady_clock::now();
    pid_ = check_errno(::fork(), "fork of a peer");
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::dup2(requests.read.get(), STDIN_FILENO);
        ::dup2(answers.write.get(), STDOUT_FILENO);
        ::dup2(errors_.get(), STDERR_FILENO);
        ::execvp(words[0], words.data());
        std::fprintf(stderr, "cannot run %s: %s\n", words[0], std::strerror(errno));
        ::_exit(127);
    }
    requests_ = std::move(requests.write);
    answers_ = std::move(answers.read);
    answers.write = unique_descriptor();
    hello_ = receive();
    startup_s_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

peer_process::~peer_process() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

void peer_process::send(const json& request) {
    const std::string line = request.dump() + "\n";
    ::signal(SIGPIPE, SIG_IGN);
    // Requests are shorter than PIPE_BUF or the peer is reading, so that one write does.
    if (::write(requests_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
        fail("ended before it was asked");
    }
}

json peer_process::receive() {
    std::size_t end = 0;
    while ((end = received_.find('\n')) == std::string::npos) {
        std::array<char, 4096> buffer{};
        const auto size = ::read(answers_.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) fail("ended without an answer");
        received_.append(buffer.data(), static_cast<std::size_t>(size));
    }
    const std::string line = received_.substr(0, end);
    received_.erase(0, end + 1);
    json answer = json::parse(line, nullptr, false);
    if (!answer.is_object()) fail("said what is no JSON object: " + line.substr(0, 80));
    if (answer.contains("error")) fail(answer.at("error").get<std::string>());
    return answer;
}

double peer_process::cpu_s() const { return cpu_of_tree(pid_); }

double peer_process::peak_memory_bytes() const {
    std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
    const std::string_view field = "VmHWM:";
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(field)) return 1024.0 * std::stod(line.substr(field.size()));
    }
    throw std::runtime_error("the peer has ended: no VmHWM in its /proc/<pid>/status");
}

std::string peer_process::last_words() const {
    std::array<char, 65536> buffer{};
    const auto size = ::pread(errors_.get(), buffer.data(), buffer.size(), 0);
    std::string_view words(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    while (words.ends_with('\n')) words.remove_suffix(1);
    return std::string(words.substr(words.rfind('\n') + 1));
}

void peer_process::fail(const std::string& words) {
    const std::string more = last_words();
    throw std::runtime_error("the peer " + words + (more.empty() ? "" : " (" + more + ")"));
}

}  // namespace overlap::bench
