// Started by mpirun: every rank runs every test, and what a test expects holds on each.
#include <overlap/core/cores.hpp>
#include <overlap/mpi/mpi.hpp>
#include <overlap/sequential/sequential.hpp>
#include <overlap/thread_pool/thread_pool.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>
#include <string>
#include <thread>
#include <unistd.h>

namespace {

using namespace overlap;
using namespace std::chrono_literals;
using testing::HasSubstr;

/// As in a program of one's own: what ranks wait for is themselves.
template <class Runtime>
struct made {
    Runtime runtime{results_at::every_rank, MPI_COMM_WORLD};
};
template <>
struct made<mpi<thread_pool>> {
    mpi<thread_pool> runtime{results_at::every_rank, MPI_COMM_WORLD, std::size_t{3}};
};

template <class Runtime>
class mpi_ranks : public testing::Test, public made<Runtime> {};

using runtimes = testing::Types<mpi<sequential>, mpi<thread_pool>>;
TYPED_TEST_SUITE(mpi_ranks, runtimes, );

/// The text of the `Error` that `call` throws.
template <class Error, class Call>
std::string text_of(Call call) {
    try {
        call();
    } catch (const Error& error) {
        return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
}

/// The same on all ranks, or the test fails on all.
template <class Value>
void expect_same_everywhere(Value own) {
    Value of_root = own;
    MPI_Bcast(&of_root, sizeof of_root, MPI_BYTE, 0, MPI_COMM_WORLD);
    EXPECT_EQ(own, of_root);
}

TYPED_TEST(mpi_ranks, results_come_in_order_on_every_rank) {
    for (const std::size_t n : {0U, 1U, 2U, 3U, 300U, 200'000U, 7U}) {
        const auto results = this->runtime.gather(n, [](std::size_t index) { return 3 * index; });
        ASSERT_EQ(results.size(), n);
        for (std::size_t index = 0; index < n; ++index) ASSERT_EQ(results[index], 3 * index);
    }
}

TYPED_TEST(mpi_ranks, results_may_be_of_any_portable_type) {
    struct letter {
        explicit letter(std::size_t index) : text{static_cast<char>('a' + index % 26)} {}
        std::array<char, 3> text;
    };
    const auto letters = this->runtime.gather(100, [](std::size_t index) { return letter(index); });
    const auto odd = this->runtime.gather(100, [](std::size_t index) { return index % 2 == 1; });
    for (std::size_t index = 0; index < 100; ++index) {
        EXPECT_EQ(letters[index].text[0], 'a' + static_cast<char>(index % 26));
        EXPECT_EQ(odd[index], index % 2 == 1);
    }
}

TYPED_TEST(mpi_ranks, every_task_runs_on_one_rank_and_all_ranks_run_some) {
    constexpr std::size_t n = 60;
    std::vector<int> ran(n);
    int* const count = ran.data();
    this->runtime.gather(n, [count](std::size_t index) {
        std::this_thread::sleep_for(1ms);
        ++count[index];
    });
    const int own = std::accumulate(ran.begin(), ran.end(), 0);
    EXPECT_GT(own, 0);
    MPI_Allreduce(MPI_IN_PLACE, ran.data(), n, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    EXPECT_EQ(std::ranges::count(ran, 1), static_cast<std::ptrdiff_t>(n));
}

TYPED_TEST(mpi_ranks, gathers_inside_tasks_run_in_their_rank) {
    auto* const runs = &this->runtime;
    const int rank = runs->rank();
    const auto same = runs->gather(20, [runs, rank](std::size_t) {
        const auto ranks = runs->gather(4, [runs, rank](std::size_t) {
            const auto inner = runs->gather(4, [rank](std::size_t) { return rank; });
            return std::ranges::count(inner, rank) == 4;
        });
        return std::ranges::count(ranks, true) == 4;
    });
    EXPECT_EQ(std::ranges::count(same, true), 20);
}

TYPED_TEST(mpi_ranks, the_lowest_index_is_thrown_on_every_rank_after_all_have_run) {
    int ran = 0;
    int* const count = &ran;
    const auto gather = [&] {
        this->runtime.gather(100, [count](std::size_t index) {
            std::this_thread::sleep_for(index == 30 ? 10ms : 200us);
            __atomic_add_fetch(count, 1, __ATOMIC_RELAXED);
            if (index % 30 == 0 && index > 0) {
                throw std::runtime_error("task " + std::to_string(index));
            }
        });
    };
    EXPECT_EQ(text_of<std::runtime_error>(gather), "task 30");
    MPI_Allreduce(MPI_IN_PLACE, &ran, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    EXPECT_EQ(ran, 100);
    EXPECT_EQ(this->runtime.gather(10, [](std::size_t index) { return index; }).back(), 9U);
}

TYPED_TEST(mpi_ranks, exceptions_keep_their_type) {
    EXPECT_EQ(text_of<limit_error>([&] {
                  this->runtime.gather(3, [](std::size_t) { throw limit_error("too many"); });
              }),
              "too many");
}

TYPED_TEST(mpi_ranks, gathers_follow_one_another_closely) {
    std::uint64_t sum = 0;
    for (std::size_t round = 0; round < 500; ++round) {
        const auto results =
            this->runtime.gather(round % 17, [round](std::size_t index) { return round + index; });
        sum = std::accumulate(results.begin(), results.end(), sum);
    }
    expect_same_everywhere(sum);
}

/// Over a network rank 0 serves the counter only while it is inside MPI, unless somebody sees to it.
TYPED_TEST(mpi_ranks, a_long_task_of_rank_0_holds_up_no_other) {
    if (this->runtime.size() == 1) GTEST_SKIP() << "there is no other";
    const bool is_root = this->runtime.rank() == 0;
    const auto start = std::chrono::steady_clock::now();
    const auto ran_on = this->runtime.gather(8, [is_root](std::size_t) {
        std::this_thread::sleep_for(is_root ? 150ms : 5ms);
        return is_root;
    });
    const auto spent = std::chrono::steady_clock::now() - start;
    const auto by_root = std::ranges::count(ran_on, true);
    EXPECT_LE(by_root, 3);
    EXPECT_LT(spent, 8 * 150ms);
}

TEST(mpi, has_as_many_tasks_in_flight_as_workers) {
    int ranks = 0;
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    const auto size = static_cast<std::size_t>(ranks);
    EXPECT_EQ(mpi<sequential>().task_limit(), size);
    EXPECT_EQ((mpi<thread_pool>(results_at::root, MPI_COMM_WORLD, std::size_t{2}).task_limit()),
              2 * size);
    EXPECT_EQ(mpi<sequential>::name(), "mpi");
    EXPECT_EQ(mpi<thread_pool>::name(), "mpi+thread_pool");
}

TEST(mpi, leaves_results_at_rank_0_where_that_is_enough) {
    mpi<sequential> runtime(results_at::root);
    const auto results = runtime.gather(50, [](std::size_t index) { return index; });
    EXPECT_EQ(results.size(), runtime.rank() == 0 ? 50U : 0U);
}

TEST(mpi, says_when_ranks_are_out_of_step) {
    mpi<sequential> runtime;
    if (runtime.size() == 1) GTEST_SKIP() << "one rank keeps step with itself";
    const std::size_t n = runtime.rank() == 1 ? 20 : 10;
    EXPECT_THAT(
        text_of<std::logic_error>(
            [&] { runtime.gather(n, [](std::size_t index) { return index; }); }),
        HasSubstr("rank 1 is in a gather of 20 tasks with results of 8 bytes, rank 0 in one "
                  "of 10 tasks"));
}

TEST(mpi, refuses_more_tasks_than_mpi_can_count) {
    mpi<sequential> runtime;
    EXPECT_THAT(text_of<limit_error>(
                    [&] { runtime.gather(std::size_t{1} << 31U, [](std::size_t) { return 1; }); }),
                HasSubstr("mpi gathers at most 2147483647 tasks at once, got 2147483648"));
}

}  // namespace

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    const mpi_environment environment;
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    if (rank != 0) delete listeners.Release(listeners.default_result_printer());
    int failed = RUN_ALL_TESTS();
    if (rank != 0 && failed != 0) std::fprintf(stderr, "a test failed on rank %d\n", rank);
    return failed;
}
