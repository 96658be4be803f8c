// A coroutine for somebody to resume, since tasks know nothing else to do at their end.
#pragma once

#include <overlap/coroutine/frame_pool.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>

namespace overlap::detail {

/// A coroutine that somebody resumes, that does one thing, and then resumes what it returns.
struct last_step {
    struct promise_type {
        std::coroutine_handle<> next;

        last_step get_return_object() noexcept {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        static void* operator new(std::size_t size) { return frame_pool::allocate(size); }
        static void operator delete(void* frame, std::size_t size) noexcept {
            frame_pool::release(frame, size);
        }
        static std::suspend_always initial_suspend() noexcept { return {}; }
        static auto final_suspend() noexcept {
            struct awaiter {
                static bool await_ready() noexcept { return false; }
                static std::coroutine_handle<>
                await_suspend(std::coroutine_handle<promise_type> ended) noexcept {
                    const std::coroutine_handle<> next = ended.promise().next;
                    ended.destroy();
                    return next;
                }
                static void await_resume() noexcept {}
            };
            return awaiter{};
        }
        void return_value(std::coroutine_handle<> then) noexcept { next = then; }
        static void unhandled_exception() noexcept { std::terminate(); }
    };

    std::coroutine_handle<promise_type> frame;
};

}  // namespace overlap::detail
