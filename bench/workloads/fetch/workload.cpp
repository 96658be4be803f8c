#include "bench/workloads/fetch/workload.hpp"

#include "bench/workloads/client_rows.hpp"
#include "bench/workloads/computing.hpp"

#include <memory>
#include <string>

namespace overlap::bench {

static_assert(workload<fetch_workload>);

namespace {

/// One task of the floor: the same requests, parser and sums as on the runtimes.
class floor_talk {
public:
    floor_talk(const fetch_case& given, std::uint32_t seed, std::size_t index)
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

counters fetch_workload::check(const fetch_case& given, std::uint32_t seed,
                               const std::vector<std::uint64_t>& sums, double wall_s) {
    expect_sums(sums, given.exchanges, document_oracle(seed));
    if (wall_s < waiting_of_task_s(given)) {
        throw wrong_result("all documents were there before the server could have waited");
    }
    return servers_part(given);
}

void fetch_workload::add_rows(const fetch_case& given, const options& chosen,
                              std::vector<row>& into) {
    fetch_case told = given;
    told.server = chosen.http;
    add_client_rows<fetch_workload, floor_talk>(told, chosen, into);
}

}  // namespace overlap::bench
