#include "bench/workloads/fetch/workload.hpp"

#include "bench/peers/peer_rows.hpp"
#include "bench/workloads/computing.hpp"

#include <overlap/floor/exchange_epoll.hpp>

#include <algorithm>
#include <chrono>
#include <memory>
#include <span>
#include <string>

namespace overlap::bench {

static_assert(workload<fetch_workload>);

namespace {

/// What one request waits at least: servers count milliseconds, and one may have begun before.
double waiting_s(const fetch_case& given) {
    constexpr nanoseconds grain = std::chrono::milliseconds(1);
    return std::chrono::duration<double>(std::max(given.delay - grain, nanoseconds(0))).count();
}

double waiting_of_task_s(const fetch_case& given) {
    return waiting_s(given) * static_cast<double>(given.requests);
}

/// One task of the floor: the same requests, parser and sums as on the runtimes.
class floor_talk {
public:
    floor_talk(const fetch_case& given, std::uint32_t seed, std::size_t index)
        : given_(given), seed_(seed), index_(index), buffer_(http_exchange::buffer_size) {}

    bool begin() {
        if (done_ == given_.requests) return false;
        path_ = given_.path(fetch_case::item(seed_, index_ * given_.requests + done_));
        exchange_ = std::make_unique<http_exchange>(http_request(path_, given_.keeps()), buffer_);
        return true;
    }
    http_exchange& protocol() { return *exchange_; }
    bool end() {
        ++done_;
        sum_ += sum_of_values(path_, exchange_->response());
        return given_.keeps() && exchange_->keeps_alive() && done_ < given_.requests;
    }
    [[nodiscard]] std::uint64_t sum() const noexcept { return sum_; }

private:
    const fetch_case& given_;
    std::uint32_t seed_;
    std::size_t index_;
    std::size_t done_ = 0;
    std::uint64_t sum_ = 0;
    std::string path_;
    std::vector<std::byte> buffer_;
    std::unique_ptr<http_exchange> exchange_;
};

std::vector<std::uint64_t> fetch_on_floor(const fetch_case& given, std::uint32_t seed) {
    std::vector<floor_talk> talks;
    talks.reserve(given.connections);
    for (std::size_t i = 0; i < given.connections; ++i) talks.emplace_back(given, seed, i);
    try {
        floor::exchange_epoll(given.server.where, std::span(talks));
    } catch (...) {
        throw_of(given.server, std::current_exception());
    }
    std::vector<std::uint64_t> sums;
    sums.reserve(talks.size());
    for (const floor_talk& each : talks) sums.push_back(each.sum());
    return sums;
}

/// The oracle: the sums of documents that follow one another in a run.
class document_oracle {
public:
    explicit document_oracle(std::uint32_t seed) noexcept : seed_(seed) {}

    std::uint64_t next_sum(std::size_t documents) {
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < documents; ++i) {
            sum += sums_of_items()[fetch_case::item(seed_, next_++)];
        }
        return sum;
    }

private:
    std::uint32_t seed_;
    std::size_t next_ = 0;
};

}  // namespace

/// The waiting alone: what the server and the client take is to be measured.
double fetch_workload::expected_s(const fetch_case& given, std::size_t task_limit) {
    const std::size_t at_once = std::min(task_limit, given.connections);
    const std::size_t one_after_another = (given.connections + at_once - 1) / at_once;
    return waiting_of_task_s(given) * static_cast<double>(one_after_another);
}

double fetch_workload::least_spans_s(const fetch_case& given) {
    return waiting_of_task_s(given) * static_cast<double>(given.connections);
}

/// Of tasks that wait for long the first has not ended when the last begins.
std::size_t fetch_workload::least_in_flight(const fetch_case& given, std::size_t possible) {
    constexpr std::size_t few = 100;
    constexpr double long_s = 0.05;
    return given.connections <= few && waiting_of_task_s(given) >= long_s ? possible : 1;
}

fetch_case fetch_workload::warm_up(fetch_case given) {
    given.requests = std::max<std::size_t>(given.requests / 10, 1);
    return given;
}

void fetch_workload::before_run() {
    if (server_.process != 0) servers_cpu_s_ = cpu_seconds_of(server_.process);
}

counters fetch_workload::check(const fetch_case& given, std::uint32_t seed,
                               const std::vector<std::uint64_t>& sums, double wall_s) {
    expect_sums(sums, given.requests, document_oracle(seed));
    if (wall_s < waiting_of_task_s(given)) {
        throw wrong_result("all documents were there before the server could have waited");
    }
    if (server_.process == 0) return {};
    const double used_s = cpu_seconds_of(server_.process) - servers_cpu_s_;
    return {{"server_cpu_per_task_s", used_s / static_cast<double>(work_items(given))}};
}

void fetch_workload::add_rows(const fetch_case& given, const options& chosen,
                              std::vector<row>& into) {
    const std::size_t before = into.size();
    fetch_case told = given;
    told.server = chosen.http;
    add_floor_row<fetch_workload>(told, {"floor:epoll", "epoll", {}}, chosen, into,
                                  [](auto&, const fetch_case& which, std::uint32_t seed) {
                                      return fetch_on_floor(which, seed);
                                  });
    add_all_rows<fetch_workload>(told, chosen, into);
    if (!chosen.http.url.empty()) return;
    for (row& each : std::span(into).subspan(before)) {
        if (each.skip.empty()) each.skip = "not available: " + chosen.http.why_none;
    }
}

}  // namespace overlap::bench
