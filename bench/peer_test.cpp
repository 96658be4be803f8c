// Peers here are a line of shell each: what matters is how the harness takes what they say.
#include "bench/options.hpp"
#include "bench/peer.hpp"
#include "bench/session.hpp"

#include <overlap/core/runtime.hpp>

#include <array>
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

TEST(PeerProcess, HasNoLimitOfTasksWhereItNamesNone) {
    EXPECT_EQ(peer_process(shell(hello)).task_limit(), unlimited);
}

TEST(PeerProcess, CountsTheTimeOfItsChildrenToo) {
    const std::string count = "i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done; ";
    peer_process process(
        shell(hello + "(" + count + R"(echo '{"wall_s": 1}'; read line) & )" + "read line"));
    EXPECT_EQ(process.receive_number("wall_s"), 1);
    EXPECT_GT(process.cpu_s(), 0.005);
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
}

TEST(PeerProcess, IsAskedForNumbersWhereNothingElseWillDo) {
    peer_process process(shell(hello + R"(echo '{"wall_s": "soon"}'; read line)"));
    EXPECT_EQ(words_of([&] { process.receive_number("wall_s"); }),
              "the peer says that wall_s is \"soon\"");
    peer_process other(
        shell(hello + R"(echo '{"port": 4711}'; echo '{"port": 70000}'; read line)"));
    EXPECT_EQ(other.receive_port(), 4711);
    EXPECT_EQ(words_of([&] { other.receive_port(); }), "the peer says that port is 70000.0");
}

TEST(PeerProcess, TellsALimitFromAFailure) {
    peer_process process(shell(hello + R"(echo '{"limit": "9 tasks"}'; read line)"));
    EXPECT_THROW(process.receive("wall_s"), limit_error);
}

TEST(PeerProcess, NeedsAHello) {
    const auto start = [](const std::vector<std::string>& command) {
        return words_of([&] { peer_process process(command); });
    };
    EXPECT_THAT(start(shell("echo hi")), HasSubstr("expected an object with hello"));
    EXPECT_THAT(start(shell(R"(echo '{"hello": {}}')")), HasSubstr("does not say its task_limit"));
    EXPECT_THAT(start(shell(R"(echo '{"hello": {"task_limit": "x"}}')")),
                HasSubstr("does not say its task_limit"));
    EXPECT_THAT(start({"/nonexistent"}), HasSubstr("cannot run /nonexistent"));
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
    const std::vector<peer> peers = read_peers(directory_);
    ASSERT_EQ(peers.size(), 3U);
    EXPECT_EQ(peers[0].name, "also_soon");
    EXPECT_EQ(peers[1].name, "soon");
    EXPECT_EQ(peers[2].name, "late");
    EXPECT_EQ(peers[2].task_limit, 5U);
}

TEST_F(PeersOfADirectory, HaveToBeThereAndSound) {
    EXPECT_THAT(words_of([&] { read_peers(directory_); }), HasSubstr("no peers there"));
    write("a.json", R"({"name": 7})");
    EXPECT_THAT(words_of([&] { read_peers(directory_); }), HasSubstr("describes no peer"));
    EXPECT_THROW(read_peers(directory_ / "nowhere"), usage_error);
}

}  // namespace
}  // namespace overlap::bench
