// Peers here are a line of shell each: what matters is how the harness takes what they say.
#include "bench/harness/options.hpp"
#include "bench/harness/session.hpp"
#include "bench/peers/clock.hpp"
#include "bench/peers/peer.hpp"

#include <overlap/core/runtime.hpp>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdexcept>
#include <string>
#include <vector>

namespace overlap::bench {
namespace {

using testing::HasSubstr;

std::vector<std::string> shell(const std::string& script) { return {"sh", "-c", script}; }

const std::string hello = R"(echo '{"hello": {"version": "1", "task_limit": null}}'; )";

std::string words_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const std::exception& error) {
        return error.what();
    }
    return "nothing was thrown";
}

std::string words_after_hello(const std::string& script) {
    return words_of([&] {
        peer_process process(shell(hello + script));
        process.receive("wall_s");
    });
}

TEST(PeerProcess, AnswersRequests) {
    peer_process process(
        shell(R"(echo '{"hello": {"version": "1", "task_limit": 7}}'; read line; echo "$line")"));
    EXPECT_EQ(process.task_limit(), 7U);
    EXPECT_GT(process.startup_s(), 0);
    EXPECT_GT(process.peak_memory_bytes(), 0);
    // Longer than a pipe holds at once.
    const nlohmann::json request = {{"request", std::string(100'000, 'x')}};
    process.send(request);
    EXPECT_EQ(process.receive("request"), request.at("request"));
}

TEST(PeerProcess, WorksInAFolder) {
    peer_process process(shell(hello + R"(echo "{\"error\": \"$(pwd)\"}")"), "/usr/share");
    EXPECT_EQ(words_of([&] { process.receive("wall_s"); }), "the peer says: /usr/share");
    EXPECT_THAT(words_of([&] { peer_process(shell(hello), "/nonexistent"); }),
                HasSubstr("cannot run sh in /nonexistent: No such file"));
}

TEST(PeerProcess, HasNoLimitOfTasksWhereItNamesNone) {
    EXPECT_EQ(peer_process(shell(hello)).task_limit(), unlimited);
}

TEST(PeerProcess, CountsTheTimeOfItsChildrenToo) {
    const std::string count = "i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done; ";
    peer_process process(
        shell(hello + "(" + count + R"(echo '{"wall_s": 1}'; read line) & )" + "read line"));
    EXPECT_EQ(process.receive_number("wall_s"), 1);
    EXPECT_GT(process.cpu().sum(), 0.005);
}

TEST(PeerProcess, TellsWhatAPeerDoesWrong) {
    EXPECT_EQ(words_after_hello("echo oh no >&2; echo hm"),
              "the peer said \"hm\", expected an object with wall_s (oh no)");
    EXPECT_THAT(words_after_hello("echo '[1]'"), HasSubstr("said \"[1]\""));
    EXPECT_EQ(words_after_hello(""), "the peer ended without an answer");
    EXPECT_EQ(words_after_hello("exit 3"), "the peer exited with 3 without an answer");
    EXPECT_THAT(words_after_hello("kill -9 $$"), HasSubstr("was killed by signal 9"));
    EXPECT_EQ(words_after_hello(R"(echo '{"error": "lost"}')"), "the peer says: lost");
    EXPECT_EQ(words_after_hello(R"(echo '{"error": 7}')"), "the peer says: 7");
    EXPECT_THAT(words_after_hello(R"(echo '{"no_workload": "x"}')"),
                HasSubstr("expected an object"));
    // Nested so deep that whoever follows the brackets needs a stack of many megabytes.
    const std::string deep = R"(printf '{"wall_s":'; head -c 400000 /dev/zero | tr '\0' '[')"
                             R"(; head -c 400000 /dev/zero | tr '\0' ']'; echo '}')";
    EXPECT_THAT(words_after_hello(deep), HasSubstr("expected an object with wall_s"));
}

TEST(PeerProcess, IsAskedForNumbersWhereNothingElseWillDo) {
    peer_process process(shell(
        hello + R"(echo '{"wall_s": "soon"}'; echo '{"port": 4711}'; echo '{"port": 70000}'; )" +
        R"(echo '{"written": true}'; echo '{"written": false}'; read line)"));
    EXPECT_EQ(words_of([&] { process.receive_number("wall_s"); }),
              "the peer says that wall_s is \"soon\"");
    EXPECT_EQ(process.receive_port(), 4711);
    EXPECT_EQ(words_of([&] { process.receive_port(); }), "the peer says that port is 70000.0");
    EXPECT_NO_THROW(process.receive_true("written"));
    EXPECT_EQ(words_of([&] { process.receive_true("written"); }),
              "the peer says that written is false");
}

TEST(PeerProcess, IsShownAsOneLineOfText) {
    EXPECT_EQ(one_line("plain: \u00e9 \u2013"), "plain: \u00e9 \u2013");
    EXPECT_EQ(one_line("a\nb\tc\x1b[31m\x7f\u0085d"), "a b c [31m  d");
    EXPECT_EQ(one_line("latin \xe9, cut \xc3"), "latin \ufffd, cut \ufffd");
    EXPECT_EQ(one_line(std::string(5000, 'x')), std::string(300, 'x'));
    EXPECT_EQ(one_line(""), "");
    EXPECT_EQ(
        words_after_hello(R"(printf 'a\033[1m\377' >&2; printf '%s\n' '{"error": "b\nc\u001b"}')"),
        "the peer says: b c  (a [1m\ufffd)");
    EXPECT_EQ(words_after_hello(R"(printf '%s\n' '{"limit": "7\u0007"}')"), "7 ");
}

/// The number that a peer said, of a process.
pid_t process_in(peer_process& process) {
    return static_cast<pid_t>(process.receive_number("process"));
}

TEST(PeerProcess, EndsWhatItHasStartedWhereverThatIs) {
    for (const std::string end : {"read line", "exit 3"}) {
        pid_t orphan = 0;
        {
            peer_process process(shell(
                hello + R"(setsid sh -c 'echo "{\"process\": $$}"; exec sleep 600 >&-' & )" + end));
            orphan = process_in(process);
            EXPECT_EQ(::kill(orphan, 0), 0);
            if (end == "exit 3") {
                EXPECT_THAT(words_of([&] { process.receive("wall_s"); }),
                            HasSubstr("exited with 3"));
            }
        }
        EXPECT_EQ(::kill(orphan, 0), -1) << "it lives on after " << end;
    }
}

TEST(PeerProcess, CountsTheTimeOfOrphansToo) {
    const std::string count = "i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done; ";
    peer_process process(shell(hello + "(setsid sh -c '" + count +
                               R"(echo "{\"process\": $$}"; sleep 600' &); read line)"));
    process_in(process);
    EXPECT_GT(process.cpu().sum(), 0.005);
}

TEST(PeerClock, CannotShowMoreOrLessTimeThanThereWas) {
    EXPECT_EQ(why_impossible({.wall_s = 0.1, .answered_s = 0.1001, .cpu_s = 0.2}, 2), "");
    EXPECT_EQ(why_impossible({.wall_s = 0, .answered_s = 0.25, .cpu_s = 0}, 1),
              "says that it ran for 0 s, but answered after 0.25 s");
    EXPECT_EQ(why_impossible({.wall_s = 1e308, .answered_s = 0.25, .cpu_s = 0}, 1),
              "says that it ran for 1e+308 s, but answered after 0.25 s");
    EXPECT_EQ(why_impossible({.wall_s = 1.02, .answered_s = 1, .cpu_s = 0}, 1), "");
    EXPECT_NE(why_impossible({.wall_s = 1.04, .answered_s = 1, .cpu_s = 0}, 1), "");
    EXPECT_NE(why_impossible({.wall_s = -1, .answered_s = 1, .cpu_s = 0}, 1), "");
}

TEST(PeerClock, CannotHideWhatItsCoresDid) {
    EXPECT_EQ(why_impossible({.wall_s = 1, .answered_s = 1, .cpu_s = 2.06}, 2), "");
    EXPECT_NE(why_impossible({.wall_s = 0.01, .answered_s = 0.01, .cpu_s = 0.03}, 2), "");
    EXPECT_EQ(why_impossible(
                  {.wall_s = 0.01, .answered_s = 0.01, .cpu_s = 0.03, .cpu_rounded_s = 0.02}, 2),
              "")
        << "where a process has ended";
    EXPECT_EQ(why_impossible({.wall_s = 1, .answered_s = 1, .cpu_s = 1.5}, 1),
              "used 1.5 s of CPU time on 1 core in a run that it says took 1 s");
    EXPECT_NE(why_impossible({.wall_s = 0.93, .answered_s = 1, .cpu_s = 1}, 1), "");
    EXPECT_NE(why_impossible({.wall_s = 0.93, .answered_s = 1, .cpu_s = 2}, 2), "");
}

TEST(PeerClock, FillsTheTimeUntilTheAnswer) {
    EXPECT_FALSE(fills_its_time({.wall_s = 0.0001, .answered_s = 0.002, .cpu_s = 0}));
    const peer_run brief{.wall_s = 0.0001, .answered_s = 0.002, .cpu_s = 0, .lines_s = 0.002};
    EXPECT_TRUE(fills_its_time(brief));
    EXPECT_EQ(time_taken(brief), 0.002) << "as short a run is anybody's guess";
    EXPECT_EQ(time_taken({.wall_s = 0.92, .answered_s = 1, .cpu_s = 0}), 0.92);
    EXPECT_TRUE(fills_its_time({.wall_s = 0.92, .answered_s = 1, .cpu_s = 0}));
    EXPECT_FALSE(fills_its_time({.wall_s = 0.89, .answered_s = 1, .cpu_s = 0}));
    const peer_run hidden{.wall_s = 0.014, .answered_s = 0.024, .cpu_s = 0};
    EXPECT_FALSE(fills_its_time(hidden)) << "10 ms of 24";
    EXPECT_EQ(
        clocks_part(hidden),
        "the clocks part: the peer says that it ran for 0.014 s, and its answer took 0.024 s");
}

TEST(PeerClock, AllowsForLinesWhatTheyTake) {
    EXPECT_DOUBLE_EQ(time_for_lines({0.0001, 0.0003, 0.0001, 0.5, 0.0002}), 0.0008);
    EXPECT_DOUBLE_EQ(time_for_lines({0.1}), 0.002) << "who dawdles gains nothing";
    EXPECT_DOUBLE_EQ(time_for_lines({1e-9}), 0.0002);
    EXPECT_THROW(time_for_lines({}), std::invalid_argument);
}

TEST(PeerClock, IsRoundedByTheKernelWhereAProcessHasEnded) {
    const cpu_time before{.alive_s = 1, .ended_s = 0.5};
    EXPECT_EQ(cpu_since(before, {.alive_s = 1.25, .ended_s = 0.5}).rounded_s, 0);
    EXPECT_EQ(cpu_since(before, {.alive_s = 1.25, .ended_s = 0.5}).used_s, 0.25);
    EXPECT_GT(cpu_since(before, {.alive_s = 1.25, .ended_s = 0.51}).rounded_s, 0);
    EXPECT_GT(cpu_since(before, {.alive_s = 0.75, .ended_s = 0.5}).rounded_s, 0);
}

TEST(PeerProcess, SaysHowLongLinesTake) {
    peer_process process(
        shell(hello + R"(while read line; do echo '{"no_workload": true}'; done)"));
    EXPECT_GT(process.round_trip_s(), 0);
    peer_process boasting(shell(hello + R"(while read line; do echo '{"wall_s": 1}'; done)"));
    EXPECT_THAT(words_of([&] { boasting.round_trip_s(); }), HasSubstr("expected an object with"));
}

TEST(PeerProcess, TellsALimitFromAFailure) {
    peer_process process(shell(hello + R"(echo '{"limit": "9 tasks"}'; read line)"));
    EXPECT_THROW(process.receive("wall_s"), limit_error);
}

TEST(PeerProcess, MayNotKnowAWorkload) {
    peer_process process(shell(hello + R"(echo '{"no_workload": true}'; read line)"));
    EXPECT_THROW(process.receive("wall_s"), no_workload);
}

TEST(PeerProcess, NeedsAHello) {
    const auto start = [](const std::vector<std::string>& command) {
        return words_of([&] { peer_process process(command); });
    };
    EXPECT_THAT(start(shell("echo hi")), HasSubstr("expected an object with hello"));
    EXPECT_THAT(start(shell(R"(echo '{"hello": {}}')")), HasSubstr("does not say its task_limit"));
    EXPECT_THAT(start(shell(R"(echo '{"hello": {"task_limit": "x"}}')")),
                HasSubstr("does not say its task_limit"));
    EXPECT_THAT(start({"/nonexistent"}), HasSubstr("cannot run /nonexistent in .: No such file"));
}

TEST(PeerProcess, ThatHasEndedIsNotAsked) {
    peer_process process(shell(hello + "exec 0<&-; echo '{\"wall_s\": 1}'"));
    process.receive("wall_s");
    EXPECT_THAT(words_of([&] {
                    for (int i = 0; i < 100; ++i) {
                        process.send({{"request", std::string(100'000, 'x')}});
                    }
                }),
                HasSubstr("ended before it was asked"));
}

TEST(SharedFile, IsReadAsNumbersOfWhichTheCountIsKnown) {
    shared_file file("numbers");
    const std::array<std::int64_t, 2> numbers{-1, 1'000'000'007};
    std::ofstream(file.path(), std::ios::binary)
        .write(reinterpret_cast<const char*>(numbers.data()), sizeof numbers);
    EXPECT_THAT(file.read<std::int64_t>(2, "results"), testing::ElementsAreArray(numbers));
    EXPECT_EQ(words_of([&] { static_cast<void>(file.read<std::int64_t>(3, "results")); }),
              "2 of 3 results");
    file.clear();
    EXPECT_THROW(static_cast<void>(file.read<std::int64_t>(2, "results")), wrong_result);
}

class PeersOfADirectory : public testing::Test {
protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "peers-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        directory_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    void write(const std::string& name, const std::string& text) const {
        std::ofstream(directory_ / name) << text;
    }

    std::filesystem::path directory_;
};

TEST_F(PeersOfADirectory, AreReadInOrder) {
    const auto text = [](const std::string& name, int order) {
        return R"({"name": ")" + name + R"(", "language": "Go", "model": "fibers", "version": "1",
                  "command": ["go"], "skip": "", "task_limit": 5, "order": )" +
               std::to_string(order) + "}";
    };
    write("a.json", text("late", 2));
    write("b.json", text("soon", 1));
    write("c.json", text("also_soon", 1));
    write("other.txt", "no peer");
    const std::vector<peer> peers = read_peers({directory_});
    ASSERT_EQ(peers.size(), 3U);
    EXPECT_EQ(peers[0].name, "also_soon");
    EXPECT_EQ(peers[1].name, "soon");
    EXPECT_EQ(peers[2].name, "late");
    EXPECT_EQ(peers[2].task_limit, 5U);
    write("d.json", "{");
    const std::vector<peer> chosen = read_peers({directory_ / "a.json", directory_ / "b.json"});
    ASSERT_EQ(chosen.size(), 2U) << "what is unsound beside them is no matter";
    EXPECT_EQ(chosen[0].name, "soon");
}

TEST_F(PeersOfADirectory, HaveToBeThereAndSound) {
    EXPECT_THAT(words_of([&] { read_peers({directory_}); }), HasSubstr("no peers there"));
    write("a.json", R"({"name": 7})");
    EXPECT_THAT(words_of([&] { read_peers({directory_}); }), HasSubstr("describes no peer"));
    EXPECT_THROW(read_peers({directory_ / "nowhere"}), usage_error);
}

TEST(LastWords, AreALineWithAWordInItOrWhereALauncherNamesARank) {
    EXPECT_EQ(last_words(""), "");
    EXPECT_EQ(last_words("one\ntwo\n\n"), "two");
    EXPECT_EQ(last_words("one\n-----\n"), "one");
    const std::string died = "mpirun noticed that process rank 1 with PID 0 on node a exited on "
                             "signal 9 (Killed).";
    EXPECT_EQ(last_words("-----\n" + died + "\n-----\n2 more processes aborted\n"), died);
}

}  // namespace
}  // namespace overlap::bench
