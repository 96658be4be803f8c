// A loop written in C++ as the C table of overlap/loop.h.
#pragma once

#include <overlap/core/error.hpp>
#include <overlap/core/event_loop.hpp>
#include <overlap/loop.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <string_view>

namespace overlap {

namespace detail {

// The structs of both headers are the same bytes, so that an operation crosses the table as it is.
static_assert(sizeof(operation) == sizeof(overlap_operation));
static_assert(sizeof(timer_operation) == sizeof(overlap_timer));
static_assert(sizeof(io_operation) == sizeof(overlap_io));
static_assert(static_cast<int>(operation_kind::post) == OVERLAP_POST);
static_assert(static_cast<int>(operation_kind::timer) == OVERLAP_TIMER);
static_assert(static_cast<int>(operation_kind::accept) == OVERLAP_ACCEPT);
static_assert(static_cast<int>(operation_kind::connect) == OVERLAP_CONNECT);
static_assert(static_cast<int>(operation_kind::read) == OVERLAP_READ);
static_assert(static_cast<int>(operation_kind::write) == OVERLAP_WRITE);
static_assert(static_cast<int>(operation_kind::close) == OVERLAP_CLOSE);

inline std::int64_t nanoseconds_of(time_point time) noexcept {
    return nanoseconds(time.time_since_epoch()).count();
}

inline time_point time_of(std::int64_t count) noexcept { return time_point(nanoseconds(count)); }

inline void write_reason(char* reason, std::size_t capacity, std::string_view words) noexcept {
    if (capacity == 0) return;
    const std::size_t size = std::min(words.size(), capacity - 1);
    std::memcpy(reason, words.data(), size);
    reason[size] = '\0';
}

/// Each function of the table for loops of type `L`: the call behind it, with what C has no word for
/// (exceptions, time points) translated.
template <event_loop L>
struct table_functions {
    static L& of(void* loop) noexcept { return *static_cast<L*>(loop); }
    static operation* of(overlap_operation* op) noexcept {
        return reinterpret_cast<operation*>(op);
    }

    static int available(char* reason, std::size_t capacity) noexcept {
        const availability here = L::available();
        if (here) return 0;
        write_reason(reason, capacity, here.reason);
        return -1;
    }

    static void* create(char* reason, std::size_t capacity) noexcept {
        try {
            return new L();
        } catch (...) {
            write_reason(reason, capacity, describe(std::current_exception()));
            return nullptr;
        }
    }

    static void destroy(void* loop) noexcept { delete static_cast<L*>(loop); }

    static std::int64_t now(void* loop) noexcept { return nanoseconds_of(of(loop).now()); }
    static void post(void* loop, overlap_operation* op) noexcept { of(loop).post(of(op)); }
    static void post_remote(void* loop, overlap_operation* op) noexcept {
        of(loop).post_remote(of(op));
    }

    template <class Call>
    static int status_of(Call call) noexcept {
        try {
            call();
            return 0;
        } catch (const std::bad_alloc&) {
            return -ENOMEM;
        } catch (...) {
            std::fprintf(
                stderr, "a call of the loop %s threw: %s; only std::bad_alloc may leave it\n",
                std::string(L::name()).c_str(), describe(std::current_exception()).c_str());
            std::abort();
        }
    }

    static int call_at(void* loop, overlap_timer* timer, std::int64_t deadline) noexcept {
        return status_of([&] {
            of(loop).call_at(reinterpret_cast<timer_operation*>(timer), time_of(deadline));
        });
    }
    static int submit(void* loop, overlap_io* io) noexcept {
        return status_of([&] { of(loop).submit(reinterpret_cast<io_operation*>(io)); });
    }
    static int cancel(void* loop, overlap_operation* op) noexcept {
        return status_of([&] { of(loop).cancel(of(op)); });
    }

    static int run(void* loop, char* reason, std::size_t capacity) noexcept {
        try {
            of(loop).run();
            return 0;
        } catch (...) {
            write_reason(reason, capacity, describe(std::current_exception()));
            return -1;
        }
    }

    static void stop(void* loop) noexcept { of(loop).stop(); }
};

}  // namespace detail

/// The table of loops of type `L`. A plug-in in C++ exports it:
///
///     extern "C" const overlap_loop_table* overlap_loop() { return &overlap::table_of<my::loop>; }
///
/// `L::name()` must be a string that ends in a zero byte. What run() throws becomes its reason; any
/// other exception than std::bad_alloc from another call ends the program, as the contract forbids it.
template <event_loop L>
inline constexpr overlap_loop_table table_of = {
    .version = OVERLAP_LOOP_VERSION,
    .size = sizeof(overlap_loop_table),
    .name = L::name().data(),
    .available = &detail::table_functions<L>::available,
    .create = &detail::table_functions<L>::create,
    .destroy = &detail::table_functions<L>::destroy,
    .now = &detail::table_functions<L>::now,
    .post = &detail::table_functions<L>::post,
    .post_remote = &detail::table_functions<L>::post_remote,
    .call_at = &detail::table_functions<L>::call_at,
    .submit = &detail::table_functions<L>::submit,
    .cancel = &detail::table_functions<L>::cancel,
    .run = &detail::table_functions<L>::run,
    .stop = &detail::table_functions<L>::stop,
};

}  // namespace overlap
