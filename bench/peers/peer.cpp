#include "bench/peers/peer.hpp"

#include "bench/harness/child.hpp"
#include "bench/harness/options.hpp"
#include "bench/harness/session.hpp"
#include "bench/peers/answer.hpp"

#include <overlap/core/error.hpp>
#include <overlap/core/runtime.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <tuple>
#include <unistd.h>

namespace overlap::bench {

namespace {

using nlohmann::json;

std::string text_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// What a peer, or what was written down of one, says of how many tasks it has in flight.
std::size_t task_limit_in(const json& said) {
    const json& limit = said.at("task_limit");
    if (limit.is_null()) return unlimited;
    return std::max<std::size_t>(limit.get<std::size_t>(), 1);
}

peer read_peer(const std::filesystem::path& path) {
    try {
        const json said = json::parse(text_of(path));
        return {said.at("name"),
                said.at("language"),
                said.at("model"),
                one_line(said.at("version")),
                said.at("command"),
                said.value("folder", "."),
                one_line(said.at("skip")),
                task_limit_in(said),
                said.value("cores", std::size_t{0}),
                said.at("order")};
    } catch (const json::exception& error) {
        throw usage_error(path.string() + ": describes no peer (" + error.what() +
                          "); expected a file that ./scripts/run --peers wrote");
    }
}

/// The file itself, or those of a directory.
std::vector<std::filesystem::path> peer_files(const std::filesystem::path& place) {
    std::error_code error;
    if (std::filesystem::is_regular_file(place, error)) return {place};
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(place, error)) {
        if (entry.path().extension() == ".json") paths.push_back(entry.path());
    }
    if (error || paths.empty()) {
        throw usage_error("--peers=" + place.string() +
                          ": no peers there; ./scripts/run --peers builds them");
    }
    return paths;
}

}  // namespace

std::string last_words(std::string_view said) {
    // A launcher of ranks tells what happened in a frame of dashes, and then what follows from it.
    const auto is_word = [](char letter) {
        return std::isalnum(static_cast<unsigned char>(letter)) != 0;
    };
    std::string last;
    std::istringstream lines{std::string(said)};
    for (std::string line; std::getline(lines, line);) {
        if (line.find(" noticed that process ") != std::string::npos) return line;
        if (std::any_of(line.begin(), line.end(), is_word)) last = line;
    }
    return last;
}

std::vector<peer> read_peers(const std::vector<std::filesystem::path>& places) {
    std::vector<peer> peers;
    for (const std::filesystem::path& place : places) {
        const std::vector<std::filesystem::path> paths = peer_files(place);
        std::transform(paths.begin(), paths.end(), std::back_inserter(peers), read_peer);
    }
    std::sort(peers.begin(), peers.end(), [](const peer& left, const peer& right) {
        return std::tie(left.order, left.name) < std::tie(right.order, right.name);
    });
    return peers;
}

shared_file::shared_file(const char* name)
    : file_(check_errno(::memfd_create(name, MFD_CLOEXEC), "memfd_create")),
      path_("/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(file_.get())) {}

void shared_file::clear() { check_errno(::ftruncate(file_.get(), 0), "ftruncate"); }

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
        if (got == 0) throw wrong_result(std::string(what) + " were taken away");
        done += static_cast<std::size_t>(got);
    }
}

peer_process::peer_process(const std::vector<std::string>& command, const std::string& folder)
    : errors_(check_errno(::memfd_create("stderr", MFD_CLOEXEC), "memfd_create")) {
    pipe_ends requests;
    pipe_ends answers;
    ::signal(SIGPIPE, SIG_IGN);  // A peer that has ended is told in words.
    adopt_orphans();
    const auto start = std::chrono::steady_clock::now();
    program_.process = child_process::program(
        command, {requests.read.get(), answers.write.get(), errors_.get()}, folder);
    requests_ = std::move(requests.write);
    answers_ = std::move(answers.read);
    answers.write = unique_descriptor();
    const json hello = receive("hello");
    startup_s_ = seconds_since(start);
    try {
        task_limit_ = task_limit_in(hello);
    } catch (const json::exception&) {
        fail("does not say its task_limit: " + beginning_of(hello));
    }
}

peer_process::running_program::~running_program() {
    process.kill();
    end_descendants();
}

void peer_process::send(const json& request) {
    const std::string line = request.dump() + "\n";
    std::size_t sent = 0;
    while (sent < line.size()) {
        const auto written = ::write(requests_.get(), line.data() + sent, line.size() - sent);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) fail("ended before it was asked");
        sent += static_cast<std::size_t>(written);
    }
}

/// How a peer that has closed its standard output ended.
std::string peer_process::ending() {
    constexpr std::chrono::seconds patience{1};
    const auto status = program_.process.wait_until(std::chrono::steady_clock::now() + patience);
    if (!status) return "closed its standard output";
    const std::string words = describe_end(*status);
    return words.empty() ? "ended" : words;
}

std::string peer_process::receive_line() {
    constexpr std::size_t longest = 1 << 20;
    std::size_t end = 0;
    while ((end = received_.find('\n')) == std::string::npos) {
        if (received_.size() > longest) fail("said a line without end: " + received_.substr(0, 80));
        std::array<char, 4096> buffer{};
        const auto size = ::read(answers_.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) fail(ending() + " without an answer");
        received_.append(buffer.data(), static_cast<std::size_t>(size));
    }
    std::string line = received_.substr(0, end);
    received_.erase(0, end + 1);
    return line;
}

json peer_process::receive(const std::string& key) {
    const std::string line = receive_line();
    try {
        return answer_in(line, key);
    } catch (const wrong_answer& error) {
        fail(error.what());
    }
}

double peer_process::receive_number(const std::string& key) {
    const json value = receive(key);
    if (!value.is_number()) fail("says that " + key + " is " + beginning_of(value));
    return value;
}

void peer_process::receive_true(const std::string& key) {
    const json value = receive(key);
    if (value != true) fail("says that " + key + " is " + beginning_of(value));
}

std::uint16_t peer_process::receive_port() {
    const double port = receive_number("port");
    if (!(port >= 1 && port <= 65535)) fail("says that port is " + json(port).dump());
    return static_cast<std::uint16_t>(port);
}

double peer_process::round_trip_s() {
    const auto start = std::chrono::steady_clock::now();
    send({{"request", "run"},
          {"workload", ""},
          {"case", json::object()},
          {"seed", 1},
          {"repeat", 1},
          {"trace", false}});
    try {
        receive("no_workload");
    } catch (const no_workload&) {
        return seconds_since(start);
    }
    fail("does a workload that has no name");
}

void peer_process::end() {
    constexpr std::chrono::seconds patience{5};
    requests_ = unique_descriptor();
    const auto status = program_.process.wait_until(std::chrono::steady_clock::now() + patience);
    if (!status) fail("does not end");
    if (const std::string words = describe_end(*status); !words.empty()) fail(words);
}

cpu_time peer_process::cpu() const {
    const pid_t self = ::getpid();
    cpu_time sum;
    for (const pid_t process : tree_of(self)) {
        if (process != self) sum += cpu_of(process);
    }
    return sum;
}

double peer_process::peak_memory_bytes() const {
    return bench::peak_memory_bytes(program_.process.id());
}

std::string peer_process::last_words() const {
    std::array<char, 65536> buffer{};
    struct stat info{};
    check_errno(::fstat(errors_.get(), &info), "fstat");
    const auto from = std::max<off_t>(info.st_size - static_cast<off_t>(buffer.size()), 0);
    const auto size = ::pread(errors_.get(), buffer.data(), buffer.size(), from);
    std::string_view words(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return bench::last_words(words);
}

void peer_process::fail(const std::string& words) {
    const std::string more = last_words();
    throw std::runtime_error("the peer " + one_line(words) +
                             (more.empty() ? "" : " (" + one_line(more) + ")"));
}

}  // namespace overlap::bench
