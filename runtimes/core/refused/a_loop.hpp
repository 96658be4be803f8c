// A class with every call that an event loop has, for files that take one away or change it.
#pragma once

#include <overlap/core/event_loop.hpp>

#include <string_view>

struct a_loop {
    static constexpr std::string_view name() { return "mine"; }
    static overlap::availability available() noexcept;
    overlap::time_point now();
    void post(overlap::operation*);
    void post_remote(overlap::operation*);
    void call_at(overlap::timer_operation*, overlap::time_point);
    void submit(overlap::io_operation*);
    void cancel(overlap::operation*);
    void run();
    void stop();
};
