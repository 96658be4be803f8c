#include "bench/workloads/query/workload.hpp"

#include "bench/workloads/client_rows.hpp"
#include "bench/workloads/computing.hpp"

#include <string>

namespace overlap::bench {

static_assert(workload<query_workload>);

namespace {

/// One task of the floor: the same protocol, queries and sums as on the runtimes.
class query_floor_talk {
public:
    query_floor_talk(const query_case& given, std::uint32_t seed, std::size_t index)
        : given_(given), seed_(seed), next_(index * given.exchanges),
          last_(next_ + given.exchanges) {}

    bool begin() {
        if (now_ == step::login) {
            connection_.begin_login(login_of(given_.server));
        } else if (now_ == step::prepare) {
            connection_.begin_prepare("by_key", given_.statement());
        } else if (now_ == step::query) {
            connection_.begin_query("by_key", {std::to_string(query_case::key(seed_, next_++))});
        } else if (now_ == step::close) {
            connection_.begin_close();
        }
        return now_ != step::none;
    }
    postgresql_exchange& protocol() { return connection_; }
    bool end() {
        if (now_ == step::query) sum_ += balance_in(connection_);
        if (now_ != step::query || next_ == last_) {
            now_ = static_cast<step>(static_cast<int>(now_) + 1);
        }
        return now_ != step::none;
    }
    [[nodiscard]] std::uint64_t sum() const noexcept { return sum_; }

private:
    enum class step { login, prepare, query, close, none };

    const query_case& given_;
    std::uint32_t seed_;
    std::size_t next_;
    std::size_t last_;
    step now_ = step::login;
    std::uint64_t sum_ = 0;
    postgresql_exchange connection_;
};

/// The oracle: the sums of balances that are asked for one after another in a run.
class balance_oracle {
public:
    explicit balance_oracle(std::uint32_t seed) noexcept : seed_(seed) {}

    std::uint64_t next_sum(std::size_t queries) {
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < queries; ++i) {
            sum += query_case::balance(query_case::key(seed_, next_++));
        }
        return sum;
    }

private:
    std::uint32_t seed_;
    std::size_t next_ = 0;
};

}  // namespace

counters query_workload::check(const query_case& given, std::uint32_t seed,
                               const std::vector<std::uint64_t>& sums, double wall_s) {
    expect_sums(sums, given.exchanges, balance_oracle(seed));
    if (wall_s < waiting_of_task_s(given)) {
        throw wrong_result("all answers were there before the server could have waited");
    }
    return servers_part(given);
}

void query_workload::add_rows(const query_case& given, const options& chosen,
                              std::vector<row>& into) {
    query_case told = given;
    told.server = chosen.postgresql;
    add_client_rows<query_workload, query_floor_talk>(told, chosen, into);
}

}  // namespace overlap::bench
