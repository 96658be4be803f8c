// Every rule on every built-in loop, and on the runtimes on it, with all calls going through the C
// table: conformance_epoll_through_table.required_posts_run_in_order.
#include <overlap/check/check_table.hpp>
#include <overlap/conformance/testing/register_rules.hpp>
#include <overlap/loops/epoll.hpp>
#include <overlap/loops/poll.hpp>
#include <overlap/loops/uring.hpp>
#include <overlap/loops/virtual_time.hpp>

#include <gtest/gtest.h>
#include <vector>

namespace {

using namespace overlap;
using namespace overlap::conformance;

template <event_loop Loop>
void put_in_table() {
    table_to_check = table_of<Loop>;
}

template <event_loop Loop>
std::vector<subject> subjects() {
    put_in_table<Loop>();
    return loop_subjects<loop_through_table>("", "_through_table");
}

template <event_loop Loop>
void add(const subject& of_loop) {
    register_rules(of_loop.name, of_loop.rules, of_loop.here, of_loop.able, &put_in_table<Loop>);
}

}  // namespace

int main(int count, char** arguments) {
    testing::InitGoogleTest(&count, arguments);
    for (const subject& each : subjects<poll_loop>()) add<poll_loop>(each);
    for (const subject& each : subjects<epoll_loop>()) add<epoll_loop>(each);
    for (const subject& each : subjects<uring_loop>()) add<uring_loop>(each);
    subject virtual_time = subjects<virtual_time_loop>().front();
    virtual_time.able.io = virtual_time.able.real_time = false;
    add<virtual_time_loop>(virtual_time);
    return RUN_ALL_TESTS();
}
