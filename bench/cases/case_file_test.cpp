#include "bench/cases/case_file.hpp"
#include "overlap_cases.hpp"

#include <overlap/core/cores.hpp>

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

namespace overlap::bench {
namespace {

class CaseFile : public testing::Test {
protected:
    CaseFile()
        : path_(std::filesystem::temp_directory_path() /
                ("overlap_" + std::to_string(::getpid()) + ".toml")) {}
    ~CaseFile() override { std::filesystem::remove(path_); }

    case_file read(const std::string& text) {
        std::ofstream(path_) << text;
        return case_file(path_);
    }

    /// The complaint about `text`, without the file's name.
    std::string complaint(const std::string& text) {
        try {
            read(text);
        } catch (const case_error& error) {
            const std::string line = error.what();
            EXPECT_TRUE(line.starts_with(path_.string() + ":")) << line;
            EXPECT_EQ(line.find('\n'), std::string::npos) << "one line: " << line;
            return line.substr(path_.string().size() + 1);
        }
        return "accepted";
    }

    std::filesystem::path path_;
};

TEST_F(CaseFile, IsNotFollowedIntoTheDepth) {
    std::string key = "a";
    for (int i = 0; i < 50'000; ++i) key += ".a";
    EXPECT_EQ(complaint("\n" + key + " = 1\n"),
              "2: a key of more than 100 parts: expected a table a case");
    EXPECT_EQ(complaint("[" + key + "]\n").substr(0, 30), "1: a key of more than 100 part");
    std::string delays;
    for (int i = 0; i < 1'000; ++i) delays += "0.5,";
    EXPECT_EQ(complaint("[sleeps.a]\ndelays_s = [\n" + delays + "\n]\n"), "accepted");
}

TEST_F(CaseFile, BoundsTheWorkOfTheHeavyLeaves) {
    const std::string text = "[gather.a]\nfan_out = 8\nwork = 1_000_000_000\nskew = ";
    EXPECT_EQ(complaint(text + "4"), "accepted");
    EXPECT_EQ(complaint(text + "5"), "4: [gather.a] skew = 5: expected a whole number from 1 to 4");
    EXPECT_EQ(
        complaint("[gather.a]\nfan_out = 7\nwork = 1\nskew = 2"),
        "4: [gather.a] skew = 2: expected at least 8 leaves, of which an eighth has more work");
    EXPECT_EQ(complaint("[gather.a]\nfan_out = 8\nskew = 2"),
              "3: [gather.a] skew = 2: expected a whole number from 1 to 1");
}

TEST_F(CaseFile, ComplainsInOneLineOfWhatHasSeveral) {
    // toml++ quotes the line end that it found in place of the rest of a number.
    EXPECT_EQ(complaint("[sleeps.a]\ntasks = n\n"),
              "2: Error while parsing floating-point: expected 'nan', saw 'n ': expected TOML "
              "(https://toml.io)");
}

TEST_F(CaseFile, ReadsTheCasesOfTheSuite) {
    const case_file file(OVERLAP_WORKLOADS);
    const auto sleeps = file.cases<sleeps_case>();
    const auto gather = file.cases<gather_case>();
    const auto echo = file.cases<echo_case>();
    const auto heartbeat = file.cases<heartbeat_case>();
    const auto mix = file.cases<mix_case>();
    ASSERT_EQ(sleeps.size(), 5U);
    EXPECT_EQ(sleeps[0].name, "three_1s") << "cases keep the order of the file";
    EXPECT_EQ(sleeps[0].tasks, 3U);
    EXPECT_EQ(sleeps[4].name, "1m_1s");
    EXPECT_EQ(sleeps[4].tasks, 1'000'000U);
    ASSERT_EQ(gather.size(), 8U);
    EXPECT_EQ(gather[2].leaves(), 1'000'000U);
    EXPECT_EQ(gather[2].task_count(), 1'111'110U);
    EXPECT_EQ(gather[2].heavy_leaves, 0U);
    EXPECT_EQ(gather[4].heavy_leaves, 8U);
    EXPECT_EQ(gather[4].work_of(7), 2'000'000U);
    EXPECT_EQ(gather[4].work_of(8), 250'000U);
    EXPECT_EQ(gather[5].leaves(), 32 * available_cores());
    EXPECT_EQ(gather[7].cores, 1U);
    ASSERT_EQ(echo.size(), 6U);
    EXPECT_EQ(echo[3].bytes, 16'384U);
    EXPECT_EQ(echo[3].rate, 0U);
    EXPECT_EQ(echo[4].rate, 10'000U);
    EXPECT_EQ(echo[4].arrivals, "poisson");
    EXPECT_EQ(echo[5].deadline, std::chrono::seconds(30));
    EXPECT_EQ(heartbeat[1].tasks, 2 * available_cores());
    EXPECT_EQ(heartbeat[2].parts, 100U);
    EXPECT_EQ(heartbeat[2].interval, std::chrono::milliseconds(1));
    EXPECT_EQ(mix[0].wait, std::chrono::milliseconds(19));
    EXPECT_EQ(mix[3].wait, nanoseconds(0));
}

TEST_F(CaseFile, SaysWhatIsWrongAndWhere) {
    EXPECT_THAT(complaint("[sleeps.a]\ntasks = 0\ndelay_s = 1"),
                testing::HasSubstr("2: [sleeps.a] tasks = 0: expected a whole number from 1"));
    EXPECT_THAT(complaint("[sleeps.a]\ntasks = 1\ndelay_s = -1"),
                testing::HasSubstr("3: [sleeps.a] delay_s = -1: expected seconds"));
    EXPECT_THAT(complaint("[sleeps.a]\ntasks = 1\ndelay_s = nan"),
                testing::HasSubstr("expected seconds"));
    EXPECT_THAT(complaint("[sleeps.a]\ntasks = 1\ndelay_s = 9007199254740993"),
                testing::HasSubstr("expected seconds"));
    EXPECT_THAT(complaint("[sleeps.\"\"]\ntasks = 1\ndelay_s = 1"),
                testing::HasSubstr("a name of letters"));
    EXPECT_THAT(complaint("[sleeps.a]\ntasks = 1"),
                testing::HasSubstr("1: [sleeps.a]: expected a key `delay_s`"));
    EXPECT_THAT(complaint("[sleeps.a]\ntasks = 1\ndelay_s = 1\ntask = 2"),
                testing::HasSubstr("4: [sleeps.a] task = 2: expected one of"));
    EXPECT_THAT(complaint("[sleeps.a]\ndelays_s = []"), testing::HasSubstr("at least one number"));
    EXPECT_THAT(complaint("[sleeps.a]\ndelays_s = [1]\ntasks = 1"), testing::HasSubstr("either"));
    EXPECT_THAT(complaint("[sleeps.a]\ntasks = 1\ndelay_s = { min = 2, max = 1 }"),
                testing::HasSubstr("min <= max"));
    EXPECT_THAT(complaint("[echo.a]\nconnections = 1_000_000_000_000\nmessages = 1\nbytes = 1"),
                testing::HasSubstr("2: [echo.a] connections = 1000000000000: expected"));
    const std::string echo = "[echo.a]\nconnections = 1\nmessages = 1\nbytes = 1\n";
    for (const char* rate : {"0", "-1", "1_000_000_000_000", "nan", "1e12", "'fast'"}) {
        EXPECT_THAT(complaint(echo + "rate = " + rate),
                    testing::HasSubstr("expected a whole number from 1 to 10000000"));
    }
    for (const char* deadline : {"0", "1e-12", "0.5"}) {
        EXPECT_THAT(complaint(echo + "deadline_s = " + deadline),
                    testing::HasSubstr("expected 1 to 3,600 seconds, which no read takes"));
    }
    for (const char* deadline : {"-1", "1_000_000", "nan", "'soon'"}) {
        EXPECT_THAT(complaint(echo + "deadline_s = " + deadline),
                    testing::HasSubstr("expected seconds, a number from 0 to 3600"));
    }
    EXPECT_THAT(complaint(echo + "rate = 1\narrivals = 'odd'"),
                testing::HasSubstr("6: [echo.a] arrivals = 'odd': expected one of poisson even"));
    EXPECT_THAT(complaint(echo + "rate = 1\narrivals = 1"), testing::HasSubstr("one of poisson"));
    EXPECT_THAT(complaint(echo + "arrivals = 'even'"),
                testing::HasSubstr("5: [echo.a] arrivals = 'even': expected a key `rate` with it"));
    const std::string lasting = "[echo.a]\nconnections = 3\nbytes = 1\nduration_s = 0.5\n";
    EXPECT_EQ(read(lasting + "rate = 100").cases<echo_case>()[0].messages, 17U);
    EXPECT_THAT(complaint(lasting), testing::HasSubstr("expected a key `rate` with it"));
    EXPECT_THAT(complaint(lasting + "rate = 1\nmessages = 1"),
                testing::HasSubstr("expected either `messages` or `duration_s`"));
    EXPECT_THAT(complaint(lasting + "rate = 10_000_000\n[echo.b]\nconnections = 1\nbytes = 1\n"
                                    "rate = 10_000_000\nduration_s = 3600"),
                testing::HasSubstr("1 to 100000000 messages"));
    const std::string serve = "[serve.a]\nconnections = 1\nmessages = 1\nwork = 1\n";
    EXPECT_EQ(complaint(serve + "bytes = 8\nrate = 1"), "accepted");
    EXPECT_THAT(complaint(serve + "bytes = 8"), testing::HasSubstr("expected a key `rate`"));
    EXPECT_THAT(complaint(serve + "bytes = 7\nrate = 1"),
                testing::HasSubstr("5: [serve.a] bytes = 7: expected 8 or more"));
    EXPECT_THAT(complaint(serve + "bytes = 8\nrate = 1\none_in = 1"),
                testing::HasSubstr("one_in = 1: expected a whole number from 2"));
    EXPECT_THAT(complaint("[gather.a]\nfan_out = 1000\ndepth = 9"),
                testing::HasSubstr("at most 100000000 leaves"));
    EXPECT_THAT(complaint("[gather.a]\nfan_out = 1.5"), testing::HasSubstr("a whole number"));
    EXPECT_THAT(complaint("[heartbeat.a]\ntasks = 1\nwork = 1\nbeats = 0\ninterval_s = 1"),
                testing::HasSubstr("4: [heartbeat.a] beats = 0: expected a whole number from 1"));
    EXPECT_THAT(complaint("[mix.a]\ntasks = 1\nwork = 1\nwait_s = 4000"),
                testing::HasSubstr("4: [mix.a] wait_s = 4000: expected seconds"));
    EXPECT_THAT(complaint("[sleep.a]\ntasks = 1"), testing::HasSubstr("expected a workload"));
    EXPECT_THAT(complaint("sleeps = 3"), testing::HasSubstr("expected tables"));
    EXPECT_THAT(complaint("[gather.\"a/b\"]\nfan_out = 1"),
                testing::HasSubstr("a name of letters"));
    EXPECT_THAT(complaint("\n[sleeps.a\n"), testing::StartsWith("2: "));
}

std::vector<std::string> names_of(const std::vector<gather_case>& cases) {
    std::vector<std::string> names;
    for (const auto& each : cases) names.push_back(each.name);
    return names;
}

TEST_F(CaseFile, ASweptNumberMakesAFamily) {
    const std::string list = "[gather.b]\nfan_out = 7\nwork = { sweep = [3, 1, 20] }\n";
    const std::string progression =
        "[gather.a]\nfan_out = { from = 1, to = 1000, factor = 10 }\n[sleeps.s]\ntasks = 1\n"
        "delay_s = { from = 0.1, to = 0.3, factor = 1.5 }\n";
    const auto file = read(list + progression);
    const auto cases = file.cases<gather_case>();
    EXPECT_THAT(names_of(cases),
                testing::ElementsAre("b@work=3", "b@work=1", "b@work=20", "a@fan_out=1",
                                     "a@fan_out=10", "a@fan_out=100", "a@fan_out=1000"));
    EXPECT_EQ(cases[2].work, 20U);
    EXPECT_EQ(cases[2].fan_out, 7U);
    EXPECT_EQ(cases[5].fan_out, 100U);
    const auto sleeps = file.cases<sleeps_case>();
    ASSERT_EQ(sleeps.size(), 3U);
    EXPECT_EQ(sleeps[1].name, "s@delay_s=0.15");
}

TEST_F(CaseFile, EachCaseRunsOnTheGivenCores) {
    std::ofstream(path_) << "[gather.a]\nfan_out = { per_core = 32 }\nwork = { sweep = [1, 2] }\n"
                            "[gather.b]\nfan_out = 1\ncores = 1\n";
    const auto cases = case_file(path_, {1, 2}).cases<gather_case>();
    EXPECT_THAT(names_of(cases), testing::ElementsAre("a@work=1@cores=1", "a@work=1@cores=2",
                                                      "a@work=2@cores=1", "a@work=2@cores=2", "b"));
    EXPECT_EQ(cases[0].fan_out, 32U);
    EXPECT_EQ(cases[1].fan_out, 64U);
    EXPECT_EQ(cases[1].cores, 2U);
}

TEST_F(CaseFile, SaysWhatASweepIs) {
    for (const char* given :
         {"{ sweep = [] }", "{ sweep = 3 }", "{ sweep = [1, 1] }", "{ sweep = ['a'] }",
          "{ from = 1, to = 2 }", "{ from = 0, to = 2, factor = 2 }",
          "{ from = 3, to = 2, factor = 2 }", "{ from = 1, to = 2, factor = 1 }",
          "{ from = 1, to = 2, factor = 1.0001 }", "{ from = 1, to = inf, factor = 2 }"}) {
        EXPECT_THAT(complaint(std::string("[gather.a]\nfan_out = ") + given),
                    testing::HasSubstr("2: [gather.a] fan_out: expected { sweep = [..] }"));
    }
    EXPECT_THAT(complaint("[gather.a]\nfan_out = { sweep = [1, 2] }\nwork = { sweep = [1, 2] }"),
                testing::HasSubstr("one sweep in a case"));
    EXPECT_THAT(complaint("[gather.a]\nfan_out = { sweep = [1, 0] }"),
                testing::HasSubstr("[gather.a@fan_out=0] fan_out: expected a whole number"));
    EXPECT_THAT(complaint("[gather.a]\nfan_out = { per_core = 0 }"),
                testing::HasSubstr("expected a whole number"));
}

TEST_F(CaseFile, AFileThatIsNotThereIsNamed) {
    EXPECT_THROW(
        {
            try {
                case_file("/nonexistent/workloads.toml");
            } catch (const case_error& error) {
                EXPECT_THAT(error.what(), testing::HasSubstr("/nonexistent/workloads.toml"));
                throw;
            }
        },
        case_error);
}

TEST_F(CaseFile, TheHashIsThatOfTheText) {
    const std::string text = "[gather.a]\nfan_out = 1\n";
    const auto first = read(text).hash();
    EXPECT_EQ(first, read(text).hash());
    EXPECT_NE(first, read(text + "# more\n").hash());
    EXPECT_EQ(first.size(), 16U);
}

}  // namespace
}  // namespace overlap::bench
