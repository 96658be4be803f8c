// Rules of every loop: posted operations, run() and stop(), posts from other threads.
#pragma once

#include <overlap/conformance/probes.hpp>
#include <overlap/conformance/streams.hpp>

#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <future>
#include <memory>
#include <sys/socket.h>
#include <thread>
#include <vector>

namespace overlap::conformance {

template <event_loop Loop>
void required_posts_run_in_order() {
    constexpr std::size_t count = 1'000;
    std::vector<std::size_t> order;
    std::vector<post_probe> early(count);
    std::vector<post_probe> late(count);
    Loop loop;
    for (std::size_t i = 0; i < count; ++i) {
        early[i].then = [&, i] {
            order.push_back(i);
            loop.post(&late[i]);
        };
        late[i].then = [&, i] { order.push_back(count + i); };
        loop.post(&early[i]);
    }
    run_until_all_complete(loop, late);
    run_until_all_complete(loop, early);
    for (std::size_t i = 0; i < order.size(); ++i) {
        expect_equal(order[i], i, text("number of the operation that ran at place ", i));
    }
}

template <event_loop Loop>
void required_post_never_completes_inside_the_call() {
    post_probe outside;
    post_probe outside_remote;
    post_probe inside;
    post_probe inside_remote;
    int during = 0;
    Loop loop;
    outside.then = [&] {
        loop.post(&inside);
        loop.post_remote(&inside_remote);
        during = inside.completions + inside_remote.completions;
    };
    loop.post(&outside);
    loop.post_remote(&outside_remote);
    expect_equal(outside.completions + outside_remote.completions, 0,
                 "operations that completed before run()");
    run_until_complete(loop, outside, outside_remote, inside, inside_remote);
    expect_equal(during, 0, "operations that completed inside the call that posted them");
}

template <event_loop Loop>
void required_post_leaves_the_result() {
    post_probe op;
    op.result = 42;
    Loop loop;
    loop.post(&op);
    run_until_complete(loop, op);
    expect_result(op, 42, "a posted operation whose result was set to 42");
}

template <event_loop Loop>
void required_operation_is_submitted_again_inside_its_done() {
    constexpr int rounds = 10'000;
    post_probe op;
    Loop loop;
    op.then = [&] { op.completions < rounds ? loop.post(&op) : loop.stop(); };
    loop.post(&op);
    loop.run();
    settle(loop);
    expect_equal(op.completions, rounds, text("completions of an operation posted ", rounds, "x"));
}

template <event_loop Loop>
void required_cancel_of_a_posted_operation_changes_nothing() {
    std::vector<post_probe> ops(3);
    Loop loop;
    for (auto& op : ops) loop.post(&op);
    loop.cancel(&ops[1]);
    run_until_all_complete(loop, ops);
    settle(loop);
    for (const auto& op : ops) expect_result(op, 0, "a posted operation");
}

template <event_loop Loop>
void required_run_returns_after_stop_and_goes_on_in_the_next() {
    constexpr int runs = 3;
    std::vector<post_probe> rest(10);
    post_probe stopper;
    Loop loop;
    stopper.then = [&] { loop.stop(); };
    loop.post(&stopper);
    for (auto& op : rest) loop.post(&op);
    loop.run();
    expect_equal(stopper.completions, 1, "calls of stop() when the first run() returned");
    run_until_all_complete(loop, rest);
    for (int i = 1; i < runs; ++i) {
        loop.post(&stopper);
        loop.run();
        expect_equal(stopper.completions, 1 + i, "calls of stop() when a later run() returned");
    }
    for (const auto& op : rest) expect_equal(op.completions, 1, "completions of what stop() left");
}

template <event_loop Loop>
void required_stop_before_run_makes_that_run_return() {
    post_probe op;
    Loop loop;
    loop.stop();
    loop.run();
    loop.post(&op);
    run_until_complete(loop, op);
    expect_equal(op.completions, 1, "completions after a run() that was stopped before it began");
}

template <event_loop Loop>
void required_run_does_not_return_for_want_of_work() {
    post_probe op;
    Loop loop;
    std::jthread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        loop.post_remote(&op);
    });
    run_until_complete(loop, op);
}

/// Threads post operations of theirs, one list each, while the loop runs, and until nothing more completes.
template <event_loop Loop, std::size_t Threads>
void post_from_threads(std::array<std::vector<post_probe>, Threads>& lists) {
    // A loop takes what was posted within one iteration or two, and has at most one beat in each.
    constexpr int beats_of_silence = 10;
    std::atomic<std::size_t> ended = 0;
    int completed = 0;
    int silent_beats = 0;
    heartbeat beat;
    Loop loop;
    beat.then = [&] {
        // Before the count, so that it has all that was posted to count.
        const bool all_posted = ended == Threads;
        int all = 0;
        for (const auto& list : lists) {
            for (const post_probe& op : list) all += op.completions;
        }
        silent_beats = all_posted && all == completed ? silent_beats + 1 : 0;
        completed = all;
        if (silent_beats >= beats_of_silence) loop.stop();
    };
    beat.start(loop);
    {
        std::vector<std::jthread> threads;
        for (auto& list : lists) {
            threads.emplace_back([&] {
                for (auto& op : list) loop.post_remote(&op);
                ++ended;
            });
        }
        loop.run();
    }
    settle(loop);
}

template <event_loop Loop>
void required_remote_posts_from_four_threads_all_arrive() {
    constexpr std::size_t each = 10'000;
    std::array lists{std::vector<post_probe>(each), std::vector<post_probe>(each),
                     std::vector<post_probe>(each), std::vector<post_probe>(each)};
    post_from_threads<Loop>(lists);
    for (const auto& list : lists) {
        for (const auto& op : list) {
            expect_equal(op.completions, 1, "completions of an operation posted by a thread");
        }
    }
}

template <event_loop Loop>
void required_remote_posts_of_one_thread_run_in_order() {
    std::array lists{std::vector<post_probe>(10'000)};
    std::size_t last = 0;
    std::size_t out_of_order = 0;
    for (std::size_t i = 0; i < lists[0].size(); ++i) {
        lists[0][i].then = [&, i] { out_of_order += i < std::exchange(last, i); };
    }
    post_from_threads<Loop>(lists);
    expect_equal(out_of_order, 0U, "operations of one thread that ran before an earlier one");
}

template <event_loop Loop>
void required_remote_posts_run_on_the_loops_thread() {
    std::array lists{std::vector<post_probe>(100)};
    const auto own_thread = std::this_thread::get_id();
    std::atomic<int> strangers = 0;
    for (auto& op : lists[0]) {
        op.then = [&] { strangers += std::this_thread::get_id() != own_thread; };
    }
    post_from_threads<Loop>(lists);
    expect_equal(strangers.load(), 0, "operations that ran on the thread that posted them");
}

/// Four threads, one after the other, wake a loop that has nothing to do for an hour.
template <event_loop Loop>
void required_remote_post_wakes_a_sleeping_loop() {
    constexpr int rounds = 20;
    constexpr int threads = 4;
    constexpr auto until_it_sleeps = std::chrono::milliseconds(2);
    timer_probe far;
    post_probe wake;
    std::atomic<int> woken = 0;
    Loop loop;
    wake.then = [&] {
        if (wake.completions == rounds) loop.stop();
        woken = wake.completions;
    };
    loop.call_at(&far, loop.now() + std::chrono::hours(1));
    std::vector<std::jthread> others;
    for (int number = 0; number < threads; ++number) {
        others.emplace_back([&, number] {
            for (int round = number; round < rounds; round += threads) {
                while (woken != round) std::this_thread::sleep_for(until_it_sleeps / 8);
                std::this_thread::sleep_for(until_it_sleeps);
                loop.post_remote(&wake);
            }
        });
    }
    loop.run();
    expect_equal(wake.completions, rounds, "remote posts that a sleeping loop ran");
}

template <event_loop Loop>
void stochastic_remote_post_is_not_lost_as_the_loop_falls_asleep() {
    const attempts wakes(10'000);
    timer_probe far;
    post_probe wake;
    std::atomic<int> woken = 0;
    std::atomic<int> rounds = 0;  // Unknown until the last.
    Loop loop;
    loop.call_at(&far, loop.now() + std::chrono::hours(1));
    wake.then = [&] {
        if (wake.completions == rounds) loop.stop();
        woken = wake.completions;
    };
    {
        const std::jthread other([&] {
            for (int round = 1; rounds == 0; ++round) {
                while (woken != round - 1) std::this_thread::yield();
                // A pause that differs each time meets every moment of the loop's way to sleep.
                pass_time(round % 64);
                if (wakes.were_enough(round)) rounds = round;
                loop.post_remote(&wake);
            }
        });
        loop.run();
    }
    expect_equal(wake.completions, rounds.load(), "remote posts that ran");
}

/// As the operation runs, the call that posted it may still be on its way out, on another thread.
/// What it would touch then, memory or a descriptor's number, is somebody else's.
template <event_loop Loop>
void stochastic_loop_may_be_gone_before_post_remote_returns() {
    const attempts farewells(1'000);
    for (int round = 0; !farewells.were_enough(round); ++round) {
        timer_probe far;
        post_probe farewell;
        auto loop = std::make_unique<Loop>();
        loop->call_at(&far, loop->now() + std::chrono::hours(1));
        farewell.then = [&] { loop->stop(); };
        std::atomic<bool> is_running = false;
        std::jthread other([&, target = loop.get()] {
            while (!is_running) std::this_thread::yield();
            pass_time(round % 64);
            target->post_remote(&farewell);
        });
        is_running = true;
        loop->run();
        loop.reset();
        std::array<stream_pair, 4> strangers;  // The loop's numbers are used again.
        other.join();
        for (const auto& each : strangers) {
            char byte = 0;
            const auto seen = ::recv(each.near.get(), &byte, 1, MSG_DONTWAIT) +
                              ::recv(each.far.get(), &byte, 1, MSG_DONTWAIT);
            expect_equal(seen, -2, "reads of two sockets that nobody has written to");
        }
    }
}

template <event_loop Loop>
void required_remote_posts_complete_while_an_operation_reposts_itself() {
    post_probe remote;
    post_probe busy;
    Loop loop;
    busy.then = [&] {
        if (remote.completions == 0) loop.post(&busy);
    };
    loop.post(&busy);
    const std::jthread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        loop.post_remote(&remote);
    });
    run_until_complete(loop, remote);
    expect_equal(remote.completions, 1, "completions of an operation posted by another thread");
}

template <event_loop Loop>
void required_two_loops_on_two_threads() {
    constexpr int hops = 2'000;
    std::array<std::atomic<Loop*>, 2> loops{};
    std::barrier<> both(2);
    post_probe baton;
    post_probe farewell;
    std::array<std::vector<timer_probe>, 2> timers{std::vector<timer_probe>(50),
                                                   std::vector<timer_probe>(50)};
    std::atomic<int> strangers = 0;
    baton.then = [&] {
        const auto holder = static_cast<std::size_t>(baton.completions + 1) % 2;
        Loop& other = *loops[1 - holder];
        if (baton.completions < hops) return other.post_remote(&baton);
        farewell.then = [&other] { other.stop(); };
        other.post_remote(&farewell);
        loops[holder].load()->stop();
    };
    const auto side = [&](std::size_t number) {
        const auto own_thread = std::this_thread::get_id();
        heartbeat beat;
        Loop loop;
        beat.start(loop);
        loops[number] = &loop;
        both.arrive_and_wait();
        for (auto& timer : timers[number]) {
            timer.then = [&] { strangers += std::this_thread::get_id() != own_thread; };
            loop.call_at(&timer, loop.now() + std::chrono::microseconds(100));
        }
        if (number == 0) loop.post(&baton);
        loop.run();
        run_until_all_complete(loop, timers[number]);
        both.arrive_and_wait();
    };
    auto second = std::async(std::launch::async, side, std::size_t{1});
    side(0);
    second.get();
    expect_equal(baton.completions, hops, "times that two loops handed an operation over");
    expect_equal(strangers.load(), 0, "timers that completed on the other loop's thread");
}

template <event_loop Loop>
std::vector<rule> posting_rules() {
    constexpr auto where = loop_contract;
    return {
        rule_of<required_posts_run_in_order<Loop>>(
            "Operations posted run in the order of the calls.", where),
        rule_of<required_post_never_completes_inside_the_call<Loop>>(
            "`done` is called from inside run() and never from inside the call that submitted it.",
            where),
        rule_of<required_post_leaves_the_result<Loop>>(
            "post: `result` is left as the waiter set it.", operation_contract),
        rule_of<required_operation_is_submitted_again_inside_its_done<Loop>>(
            "`done` may free the operation, or submit it again to any loop.", where),
        rule_of<required_cancel_of_a_posted_operation_changes_nothing<Loop>>(
            "Cancelling a posted operation changes nothing.", where),
        rule_of<required_run_returns_after_stop_and_goes_on_in_the_next<Loop>>(
            "stop() makes run() return soon, once; operations left waiting go on in the next "
            "run().",
            where),
        rule_of<required_stop_before_run_makes_that_run_return<Loop>>(
            "A stop() before run() makes that run() return.", where),
        rule_of<required_run_does_not_return_for_want_of_work<Loop>>(
            "run() waits when there are no operations; it does not return for want of work.",
            where),
        rule_of<required_remote_posts_from_four_threads_all_arrive<Loop>>(
            "post_remote runs `op` from any thread; `done` is called exactly once.", where),
        rule_of<required_remote_posts_of_one_thread_run_in_order<Loop>>(
            "Operations posted by one thread run in the order of its calls.", where),
        rule_of<required_remote_posts_run_on_the_loops_thread<Loop>>(
            "A loop is used on one thread; `done` is called from inside run().", where),
        rule_of<required_remote_post_wakes_a_sleeping_loop<Loop>>(
            "post_remote wakes the loop if it waits.", where),
        rule_of<stochastic_remote_post_is_not_lost_as_the_loop_falls_asleep<Loop>>(
            "post_remote wakes the loop if it waits.", where),
        rule_of<stochastic_loop_may_be_gone_before_post_remote_returns<Loop>>(
            "What was posted may run, and the loop be destroyed, before post_remote has returned.",
            where),
        rule_of<required_remote_posts_complete_while_an_operation_reposts_itself<Loop>>(
            "Operations that keep posting themselves do not keep remote posts from completing.",
            where),
        rule_of<required_two_loops_on_two_threads<Loop>>(
            "Two loops on two threads know nothing of each other.", where),
    };
}

}  // namespace overlap::conformance
