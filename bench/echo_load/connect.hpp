// Opening the connections of a run, all of them before anything is sent.
#pragma once

#include "options.hpp"

#include <overlap/core/socket.hpp>

#include <vector>

namespace overlap::load {

/// Opens options.connections connections (non-blocking, TCP_NODELAY) and registers each with
/// `epoll` once and for all: edge-triggered, for reading, writing and the peer's end of file, its
/// index in the returned vector as event data. An unknown host is a usage_error; whatever else
/// stands in the way a load_error.
std::vector<unique_descriptor> connect_all(const load_options& options, int epoll);

}  // namespace overlap::load
