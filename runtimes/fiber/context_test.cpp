#include <overlap/fiber/context.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <gtest/gtest.h>
#include <memory>
#include <new>
#include <numeric>
#include <stdexcept>
#include <string>

namespace {

using namespace overlap::fibers;

/// A context on memory of its own.
class own_context {
public:
    explicit own_context(context::body body)
        : context_(*::new(memory_.end() - sizeof(context)) context(memory_.data(), body)) {}
    own_context(const own_context&) = delete;
    own_context& operator=(const own_context&) = delete;
    ~own_context() { context_.~context(); }

    context* operator->() { return &context_; }

private:
    alignas(64) std::array<std::byte, std::size_t{256} << 10> memory_{};
    context& context_;
};

int* as_int(void* message) { return static_cast<int*>(message); }

TEST(context, gives_messages_both_ways_and_control_back) {
    const auto counter = std::make_unique<own_context>([](context& self) noexcept {
        int sum = 0;
        for (void* message = self.suspend(nullptr); message != nullptr;) {
            sum += *as_int(message);
            message = self.suspend(&sum);
        }
        self.end();
    });
    for (int i = 1, expected = 0; i <= 100; ++i) {
        expected += i;
        EXPECT_EQ(*as_int((*counter)->resume(&i)), expected);
    }
    EXPECT_EQ((*counter)->resume(nullptr), nullptr);
}

TEST(context, each_side_keeps_the_exception_it_is_handling) {
    const auto other = std::make_unique<own_context>([](context& self) noexcept {
        try {
            throw std::runtime_error("inner");
        } catch (...) {
            self.suspend(nullptr);
            try {
                throw;  // Would be the resumer's exception if switches did not exchange them.
            } catch (const std::exception& error) {
                std::string seen = error.what();
                self.suspend(&seen);
            }
        }
        self.suspend(nullptr);
        self.end();
    });
    try {
        throw std::runtime_error("outer");
    } catch (...) {
        EXPECT_EQ(*static_cast<std::string*>((*other)->resume(nullptr)), "inner");
        (*other)->resume(nullptr);
        try {
            throw;
        } catch (const std::exception& error) {
            EXPECT_STREQ(error.what(), "outer");
        }
    }
    EXPECT_EQ(std::current_exception(), nullptr);
    (*other)->resume(nullptr);
}

TEST(context, each_side_keeps_its_count_of_uncaught_exceptions) {
    const auto other = std::make_unique<own_context>([](context& self) noexcept {
        struct waits_in_destructor {
            context& self;
            ~waits_in_destructor() { self.suspend(nullptr); }
        };
        int during = -1;
        try {
            const waits_in_destructor waits{self};
            throw 1;
        } catch (int) {
            during = std::uncaught_exceptions();
        }
        self.suspend(&during);
        self.end();
    });
    EXPECT_EQ(std::uncaught_exceptions(), 0);
    EXPECT_EQ(*as_int((*other)->resume(nullptr)), 0);
    (*other)->resume(nullptr);
}

}  // namespace
