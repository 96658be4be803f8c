#include "bench/workloads/query/workload.hpp"

#include "bench/workloads/client_rows.hpp"

#include <string>

namespace overlap::bench {

static_assert(workload<query_workload>);

namespace {

/// One task of the floor: the same protocol, queries and sums as on the runtimes.
class query_talk {
public:
    query_talk(const query_case& given, std::uint32_t seed, std::size_t index)
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

}  // namespace

counters query_workload::check(const query_case& given, std::uint32_t seed,
                               const std::vector<std::uint64_t>& sums, double wall_s) {
    expect_answers(given, sums, wall_s, "answers", [seed](std::size_t query) {
        return query_case::balance(query_case::key(seed, query));
    });
    return servers_part(given);
}

void query_workload::add_rows(const query_case& given, const options& chosen,
                              std::vector<row>& into) {
    query_case told = given;
    told.server = chosen.postgresql;
    add_client_rows<query_workload, query_talk>(told, chosen, into);
}

}  // namespace overlap::bench
