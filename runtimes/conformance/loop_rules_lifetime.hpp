// Rules of every loop: who owns operations, descriptors and memory, and when.
#pragma once

#include <overlap/conformance/allocations.hpp>
#include <overlap/conformance/probes.hpp>
#include <overlap/conformance/streams.hpp>

#include <array>
#include <chrono>
#include <deque>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <sys/mman.h>
#include <utility>
#include <vector>

namespace overlap::conformance {

/// An operation on a page of its own that unmaps the page inside its `done`: whoever touches it
/// afterwards crashes.
template <class Operation>
class vanishing : public Operation {
public:
    template <class... Arguments>
    static vanishing* make(countdown& arrivals, Arguments... arguments) {
        void* page = ::mmap(nullptr, sizeof(vanishing), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) throw std::bad_alloc();
        return new (page) vanishing(arrivals, arguments...);
    }

    char byte = 0;

private:
    template <class... Arguments>
    explicit vanishing(countdown& arrivals, Arguments... arguments)
        : Operation(arguments..., &complete), arrivals_(arrivals) {}

    static void complete(operation* op) noexcept {
        auto* self = static_cast<vanishing*>(op);
        countdown& arrivals = self->arrivals_;
        std::destroy_at(self);
        ::munmap(self, sizeof(vanishing));
        arrivals.arrive();
    }

    countdown& arrivals_;
};

template <event_loop Loop>
void required_operations_are_freed_inside_their_done() {
    constexpr std::size_t each = 50;
    std::optional<countdown> all;
    Loop loop;
    all.emplace(3 * each, [&] { loop.stop(); });
    for (std::size_t i = 0; i < each; ++i) {
        loop.post(vanishing<operation>::make(*all));
        loop.post_remote(vanishing<operation>::make(*all));
        loop.call_at(vanishing<timer_operation>::make(*all),
                     loop.now() + std::chrono::microseconds(10 * i));
    }
    loop.run();
    settle(loop);
    expect_equal(all->left(), 0U, "operations that have not completed");
}

template <event_loop Loop>
void required_cancelled_timers_are_freed_inside_their_done() {
    constexpr std::size_t count = 50;
    std::optional<countdown> all;
    Loop loop;
    all.emplace(count, [&] { loop.stop(); });
    for (std::size_t i = 0; i < count; ++i) {
        auto* cancelled = vanishing<timer_operation>::make(*all);
        loop.call_at(cancelled, loop.now() + std::chrono::hours(1));
        loop.cancel(cancelled);
    }
    loop.run();
    settle(loop);
    expect_equal(all->left(), 0U, "cancelled timers that have not completed");
}

/// Reads of one byte from as many streams, which are freed inside their `done`. `finish` makes a
/// read complete that waits on a stream.
template <event_loop Loop, class Finish>
void free_reads_inside_their_done(Finish finish) {
    std::array<stream_pair, 8> streams;
    std::optional<countdown> all;
    Loop loop;
    all.emplace(streams.size(), [&] { loop.stop(); });
    std::vector<operation*> waiting;
    for (const auto& stream : streams) {
        auto* op = vanishing<io_operation>::make(*all, operation_kind::read);
        op->descriptor = stream.near.get();
        op->data = &op->byte;
        op->size = 1;
        loop.submit(op);
        waiting.push_back(op);
    }
    settle(loop);
    for (std::size_t i = 0; i < streams.size(); ++i) finish(loop, streams[i], waiting[i]);
    loop.run();
    settle(loop);
    expect_equal(all->left(), 0U, "operations that have not completed");
}

template <event_loop Loop>
void required_io_is_freed_inside_its_done() {
    free_reads_inside_their_done<Loop>(
        [](Loop&, const stream_pair& stream, operation*) { send_all(stream.far, "x"); });
}

template <event_loop Loop>
void required_cancelled_io_is_freed_inside_its_done() {
    free_reads_inside_their_done<Loop>(
        [](Loop& loop, const stream_pair&, operation* op) { loop.cancel(op); });
}

template <event_loop Loop>
void required_destroying_a_loop_calls_nothing() {
    post_probe posted;
    post_probe posted_remotely;
    timer_probe near;
    timer_probe far;
    const auto calls = [&] {
        return posted.completions + posted_remotely.completions + near.completions +
               far.completions;
    };
    int before = 0;
    {
        Loop loop;
        settle(loop);
        loop.post(&posted);
        loop.post_remote(&posted_remotely);
        loop.call_at(&near, loop.now());
        loop.call_at(&far, loop.now() + std::chrono::hours(1));
        before = calls();
    }
    expect_equal(calls() - before, 0, "operations that completed when the loop was destroyed");
    Loop next;
    next.post(&posted);
    next.post_remote(&posted_remotely);
    next.call_at(&near, next.now());
    next.call_at(&far, next.now());
    run_until_complete(next, posted, posted_remotely, near, far);
}

template <event_loop Loop>
void required_destroying_a_loop_calls_no_waiting_io() {
    stream_pair stream;
    stream_pair full;
    const unique_descriptor listener = open_listener(endpoint{});
    char byte = 0;
    io_probe reading(operation_kind::read, stream.near.get(), &byte, 1);
    io_probe writing(operation_kind::write, full.near.get(), "x", 1);
    io_probe accepting(operation_kind::accept, listener.get());
    fill(full.near);
    {
        Loop loop;
        for (auto* op : {&reading, &writing, &accepting}) loop.submit(op);
        settle(loop);
    }
    expect_equal(reading.completions + writing.completions + accepting.completions, 0,
                 "operations that completed when the loop was destroyed");
    // They are their owner's again, who may submit them to another loop.
    Loop next;
    send_all(stream.far, "x");
    receive_available(full.far);
    const unique_descriptor client = connect_to(listener);
    for (auto* op : {&reading, &writing, &accepting}) next.submit(op);
    run_until_complete(next, reading, writing, accepting);
    const unique_descriptor accepted(accepting.result);
    expect_result(reading, 1, "a read on the next loop");
    expect_result(writing, 1, "a write on the next loop");
    expect(accepted.get() >= 0, text("an accept of ", describe_result(accepting.result)),
           "a descriptor from an accept on the next loop");
}

template <event_loop Loop>
void stochastic_destroyed_loop_lets_go_of_descriptors_and_buffers() {
    constexpr int rounds = 50;
    for (int round = 0; round < rounds; ++round) {
        stream_pair stream;
        const unique_descriptor listener = open_listener(endpoint{});
        char byte = 0;
        io_probe reading(operation_kind::read, stream.near.get(), &byte, 1);
        io_probe accepting(operation_kind::accept, listener.get());
        {
            Loop loop;
            loop.submit(&reading);
            loop.submit(&accepting);
            settle(loop);
        }
        send_all(stream.far, "x");
        const unique_descriptor client = connect_to(listener);
        expect(is_ready(stream.near.get(), POLLIN), "a byte taken by a loop that was destroyed",
               "the byte is still in the socket");
        expect(is_ready(listener.get(), POLLIN), "a connection accepted by a destroyed loop",
               "the connection is still in the listener's queue");
        expect_equal(+byte, 0, "what the buffer holds");
    }
}

template <event_loop Loop>
void required_close_through_the_loop() {
    stream_pair stream;
    const int number = stream.near.release();
    io_probe closing(operation_kind::close, number);
    Loop loop;
    loop.submit(&closing);
    run_until_complete(loop, closing);
    expect_result(closing, 0, "a close");
    expect(::fcntl(number, F_GETFD) == -1, "an open descriptor after close completed",
           "a closed one");
    char byte = 0;
    expect_equal(::recv(stream.far.get(), &byte, 1, 0), 0, "what the peer reads (end of file)");
}

/// Waits on a descriptor, closes it through the loop, and waits on a new one of the same number.
/// `keep_open` keeps the old connection alive under another number meanwhile.
template <event_loop Loop>
void reuse_a_closed_number(bool keep_open) {
    constexpr int rounds = 20;
    Loop loop;
    int number = -1;
    std::vector<unique_descriptor> kept;
    for (int round = 0; round < rounds; ++round) {
        stream_pair stream;
        char byte = 0;
        if (number < 0 || number == stream.near.get()) {
            number = stream.near.release();
        } else {
            check_errno(::dup3(stream.near.get(), number, O_CLOEXEC), "dup3");
            stream.near = unique_descriptor();
        }
        if (keep_open) {
            kept.emplace_back(check_errno(::fcntl(number, F_DUPFD_CLOEXEC, 0), "fcntl(F_DUPFD)"));
        }
        io_probe reading(operation_kind::read, number, &byte, 1);
        io_probe closing(operation_kind::close, number);
        loop.submit(&reading);
        settle(loop);
        expect_equal(reading.completions, 0, "completions of a read on a new, silent connection");
        send_all(stream.far, "x");
        run_until_complete(loop, reading);
        expect_result(reading, 1, text("the read on connection number ", round));
        loop.submit(&closing);
        run_until_complete(loop, closing);
        expect_result(closing, 0, text("the close of connection number ", round));
    }
}

template <event_loop Loop>
void required_number_of_a_closed_descriptor_is_used_again() {
    reuse_a_closed_number<Loop>(false);
}

template <event_loop Loop>
void required_number_is_used_again_while_a_duplicate_is_open() {
    reuse_a_closed_number<Loop>(true);
}

/// A little of everything that a loop does, for counting what it costs.
template <event_loop Loop>
class errand {
public:
    explicit errand(Loop& loop) : loop_(loop) {}

    void run() {
        for (auto& op : posts_) op.completions = 0;
        for (auto& timer : timers_) timer.completions = 0;
        for (auto& op : posts_) loop_.post(&op);
        remote_.completions = 0;
        loop_.post_remote(&remote_);
        for (auto& timer : timers_) loop_.call_at(&timer, loop_.now());
        run_until_complete(loop_, remote_);
        run_until_all_complete(loop_, posts_);
        run_until_all_complete(loop_, timers_);
    }

    void run_with_io(const stream_pair& stream) {
        run();
        reading_.completions = writing_.completions = 0;
        reading_.descriptor = writing_.descriptor = stream.near.get();
        loop_.submit(&writing_);
        run_until_complete(loop_, writing_);
        loop_.submit(&reading_);
        send_all(stream.far, "x");
        run_until_complete(loop_, reading_);
        expect_equal(::recv(stream.far.get(), &byte_, 1, 0), 1, "bytes that the peer got");
    }

private:
    Loop& loop_;
    post_probe remote_;
    std::array<post_probe, 50> posts_;
    std::array<timer_probe, 50> timers_;
    char byte_ = 0;
    io_probe reading_{operation_kind::read, -1, &byte_, 1};
    io_probe writing_{operation_kind::write, -1, "x", 1};
};

template <event_loop Loop>
void required_loops_leak_no_descriptor() {
    constexpr int rounds = 10;
    const auto before = count_descriptors();
    for (int round = 0; round < rounds; ++round) {
        Loop loop;
        errand(loop).run();
    }
    expect_equal(count_descriptors(), before, "descriptors open after ten loops came and went");
}

template <event_loop Loop>
void required_io_leaks_no_descriptor() {
    constexpr int rounds = 10;
    const auto before = count_descriptors();
    for (int round = 0; round < rounds; ++round) {
        stream_pair stream;
        const unique_descriptor listener = open_listener(endpoint{});
        io_probe accepting(operation_kind::accept, listener.get());
        Loop loop;
        errand(loop).run_with_io(stream);
        loop.submit(&accepting);
        const unique_descriptor client = connect_to(listener);
        run_until_complete(loop, accepting);
        io_probe closing(operation_kind::close, accepting.result);
        loop.submit(&closing);
        run_until_complete(loop, closing);
    }
    expect_equal(count_descriptors(), before, "descriptors open after ten loops came and went");
}

template <event_loop Loop>
void optional_no_allocation_once_warm() {
    constexpr int warm_up = 3;
    constexpr int rounds = 100;
    stream_pair stream;
    Loop loop;
    errand work(loop);
    for (int round = 0; round < warm_up; ++round) work.run_with_io(stream);
    const auto before = allocation_count->load();
    for (int round = 0; round < rounds; ++round) work.run_with_io(stream);
    expect_equal(allocation_count->load() - before, 0U, "allocations by a warm loop");
}

template <event_loop Loop>
std::vector<rule> lifetime_rules() {
    constexpr auto where = loop_contract;
    constexpr std::string_view freed =
        "The loop does not touch the operation after calling `done`, which may free it.";
    constexpr std::string_view destroyed =
        "Destroying a loop calls nobody's `done`; what was submitted to it is its owner's again.";
    constexpr std::string_view closed = "A descriptor that a loop was given is closed through it.";
    return {
        rule_of<required_operations_are_freed_inside_their_done<Loop>>(freed, where),
        rule_of<required_cancelled_timers_are_freed_inside_their_done<Loop>>(freed, where),
        rule_of<required_io_is_freed_inside_its_done<Loop>>(freed, where, need::io),
        rule_of<required_cancelled_io_is_freed_inside_its_done<Loop>>(freed, where, need::io),
        rule_of<required_destroying_a_loop_calls_nothing<Loop>>(destroyed, where),
        rule_of<required_destroying_a_loop_calls_no_waiting_io<Loop>>(destroyed, where, need::io),
        rule_of<stochastic_destroyed_loop_lets_go_of_descriptors_and_buffers<Loop>>(
            destroyed, where, need::io),
        rule_of<required_close_through_the_loop<Loop>>("close: result 0.", operation_contract,
                                                       need::io),
        rule_of<required_number_of_a_closed_descriptor_is_used_again<Loop>>(closed, where,
                                                                            need::io),
        rule_of<required_number_is_used_again_while_a_duplicate_is_open<Loop>>(closed, where,
                                                                               need::io),
        rule_of<required_loops_leak_no_descriptor<Loop>>("What the loop opened, it closes.", where),
        rule_of<required_io_leaks_no_descriptor<Loop>>("What the loop opened, it closes.", where,
                                                       need::io),
        rule_of<optional_no_allocation_once_warm<Loop>>(
            "Submitting allocates nothing once the loop has met the descriptor.",
            operation_contract, need::counted_allocation),
    };
}

}  // namespace overlap::conformance
