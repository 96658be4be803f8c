// A class with every call that a direct runtime has, for files that take one away or change it.
#pragma once

#include <overlap/core/runtime.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

struct a_runtime {
    static std::string name();
    static std::size_t task_limit();
    overlap::time_point now();
    int run(int (*)());
    std::vector<std::size_t> gather(std::size_t, overlap::detail::probe_body);
    void sleep_until(overlap::time_point);
    void yield();
    int accept(int);
    int connect(const overlap::endpoint&);
    std::size_t read(int, std::span<std::byte>);
    void write(int, std::span<const std::byte>);
    void close(int);
};
