// An operation is the same bytes in C and in C++. Sizes and kinds are asserted where it matters
// (table_of.hpp); places of members in derived structs only a program can ask for.
#include <overlap/core/operation.hpp>
#include <overlap/loop.h>

#include <cstddef>
#include <gtest/gtest.h>

namespace {

using namespace overlap;

std::size_t place(const void* member, const void* whole) {
    return static_cast<std::size_t>(static_cast<const std::byte*>(member) -
                                    static_cast<const std::byte*>(whole));
}

TEST(layout, operations_have_the_same_members_at_the_same_places) {
    const operation op;
    EXPECT_EQ(place(&op.done, &op), offsetof(overlap_operation, done));
    EXPECT_EQ(place(&op.next, &op), offsetof(overlap_operation, next));
    EXPECT_EQ(place(&op.result, &op), offsetof(overlap_operation, result));
    EXPECT_EQ(place(&op.kind, &op), offsetof(overlap_operation, kind));
    EXPECT_EQ(place(&op.state, &op), offsetof(overlap_operation, state));
    EXPECT_EQ(place(&op.tag, &op), offsetof(overlap_operation, tag));
}

TEST(layout, timers_have_the_same_members_at_the_same_places) {
    const timer_operation timer;
    EXPECT_EQ(place(&timer.deadline, &timer), offsetof(overlap_timer, deadline));
    EXPECT_EQ(place(&timer.scratch, &timer), offsetof(overlap_timer, scratch));
    EXPECT_EQ(sizeof timer.deadline, sizeof(overlap_timer::deadline));
}

TEST(layout, steps_of_io_have_the_same_members_at_the_same_places) {
    const io_operation io;
    EXPECT_EQ(place(&io.descriptor, &io), offsetof(overlap_io, descriptor));
    EXPECT_EQ(place(&io.data, &io), offsetof(overlap_io, data));
    EXPECT_EQ(place(&io.size, &io), offsetof(overlap_io, size));
    EXPECT_EQ(place(&io.scratch, &io), offsetof(overlap_io, scratch));
}

}  // namespace
