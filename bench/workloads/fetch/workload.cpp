#include "bench/workloads/fetch/workload.hpp"

#include "bench/workloads/client_rows.hpp"

#include <memory>
#include <string>

namespace overlap::bench {

static_assert(workload<fetch_workload>);

namespace {

/// One task of the floor: the same requests, parser and sums as on the runtimes.
class fetch_talk {
public:
    fetch_talk(const fetch_case& given, std::uint32_t seed, std::size_t index)
        : given_(given), seed_(seed), index_(index), buffer_(http_exchange::buffer_size) {}

    bool begin() {
        if (done_ == given_.exchanges) return false;
        path_ = given_.path(fetch_case::item(seed_, index_ * given_.exchanges + done_));
        exchange_ = std::make_unique<http_exchange>(http_request(path_, given_.keeps()), buffer_);
        return true;
    }
    http_exchange& protocol() { return *exchange_; }
    bool end() {
        ++done_;
        sum_ += sum_of_values(path_, exchange_->response());
        return given_.keeps() && exchange_->keeps_alive() && done_ < given_.exchanges;
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

}  // namespace

counters fetch_workload::check(const fetch_case& given, std::uint32_t seed,
                               const std::vector<std::uint64_t>& sums, double wall_s) {
    expect_answers(given, sums, wall_s, "documents", [seed](std::size_t request) {
        return sums_of_items()[fetch_case::item(seed, request)];
    });
    return servers_part(given);
}

void fetch_workload::add_rows(const fetch_case& given, const options& chosen,
                              std::vector<row>& into) {
    fetch_case told = given;
    told.server = chosen.http;
    add_client_rows<fetch_workload, fetch_talk>(told, chosen, into);
}

}  // namespace overlap::bench
