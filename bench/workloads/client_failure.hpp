// What a client says when its server fails it.
#pragma once

#include "bench/harness/servers.hpp"

#include <overlap/core/runtime.hpp>

#include <exception>
#include <new>
#include <stdexcept>

namespace overlap::bench {

/// Throws `failure` with the server's name before its words; limits of the machine as they are.
[[noreturn]] inline void throw_of(const known_server& server, const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const limit_error&) {
        throw;
    } catch (const std::bad_alloc&) {
        throw;
    } catch (const std::exception& error) {
        throw std::runtime_error(server.name + ": " + error.what());
    }
}

}  // namespace overlap::bench
