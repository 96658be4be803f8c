#include <overlap/core/task_results.hpp>

#include <gtest/gtest.h>
#include <memory>
#include <stdexcept>
#include <thread>

namespace {

using overlap::task_results;

TEST(task_results, keeps_the_order_of_the_tasks) {
    task_results<std::size_t> results(3);
    for (const std::size_t index : {2U, 0U, 1U}) {
        results.run([](std::size_t i) { return 10 * i; }, index);
    }
    EXPECT_EQ(results.take(), (std::vector<std::size_t>{0, 10, 20}));
}

TEST(task_results, needs_no_default_constructor) {
    struct number {
        explicit number(std::size_t given) : value(std::make_unique<std::size_t>(given)) {}
        std::unique_ptr<std::size_t> value;
    };
    task_results<number> results(2);
    results.run([](std::size_t i) { return number(i); }, 0);
    results.run([](std::size_t i) { return number(i); }, 1);
    EXPECT_EQ(*results.take()[1].value, 1U);
}

TEST(task_results, lets_neighbouring_truths_be_written_at_the_same_time) {
    constexpr std::size_t n = 10'000;
    task_results<bool> results(n);
    {
        const auto write = [&](std::size_t first) {
            for (std::size_t i = first; i < n; i += 2) {
                results.run([](std::size_t index) { return index % 3 == 0; }, i);
            }
        };
        const std::jthread even(write, 0);
        const std::jthread odd(write, 1);
    }
    const std::vector<bool> truths = results.take();
    for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(truths[i], i % 3 == 0);
}

TEST(task_results, throws_what_the_lowest_index_threw) {
    task_results<void> results(3);
    const auto fail = [](std::size_t i) { throw std::runtime_error(std::to_string(i)); };
    for (const std::size_t index : {2U, 1U, 0U}) results.run(fail, index);
    try {
        results.take();
        FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "0");
    }
}

}  // namespace
