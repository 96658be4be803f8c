// What echo_load is asked to do, and the two ways in which it can fail.
#pragma once

#include "asking.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

namespace overlap::load {

/// How the due times of an open loop follow each other.
enum class arrivals {
    poisson,  ///< At random, independently of each other, and each on a connection drawn likewise.
    even,     ///< At equal distances, on one connection after the other.
};

/// Messages that are due at times of their own, whether or not earlier ones have come back.
struct open_loop {
    double rate_per_s = 0;  ///< Over all connections.
    arrivals how = arrivals::poisson;
    std::optional<double> duration_s;  ///< Decides how many messages there are, if given.
    std::optional<double> warm_up_s;   ///< Messages due before are not counted; else a tenth.
};

struct load_options {
    std::string host = "127.0.0.1";
    std::uint16_t port = 0;
    std::size_t connections = 1;
    std::size_t messages = 1;  ///< Per connection.
    std::size_t bytes = 64;    ///< Per message.
    std::size_t at_once = 1;   ///< No connection ends before so many of them have had a reply.
    std::uint64_t seed = 1;
    std::chrono::nanoseconds timeout = std::chrono::seconds(10);  ///< For one step of the server.
    asked_work work;
    std::optional<open_loop> open;  ///< Else a closed loop: one message outstanding on each.
};

/// The request itself cannot be carried out, whatever the server does. what() is one line.
class usage_error : public std::invalid_argument {
public:
    using std::invalid_argument::invalid_argument;
};

/// The server or the network ended the run; a limit of this machine is a limit_error. what() is one
/// line.
class load_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

}  // namespace overlap::load
