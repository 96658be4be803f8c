#include "bench/cases/specification.hpp"

#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

namespace overlap::bench {
namespace {

class SpecificationTest : public testing::Test {
protected:
    SpecificationTest()
        : path_(std::filesystem::temp_directory_path() /
                ("overlap_" + std::to_string(::getpid()) + ".toml")) {}
    ~SpecificationTest() override { std::filesystem::remove(path_); }

    specification read(const std::string& text) {
        std::ofstream(path_) << text;
        return read_specification(path_);
    }

    /// The complaint about `text`, without the file's name.
    std::string complaint(const std::string& text) {
        try {
            read(text);
        } catch (const specification_error& error) {
            const std::string line = error.what();
            EXPECT_TRUE(line.starts_with(path_.string() + ":")) << line;
            EXPECT_EQ(line.find('\n'), std::string::npos) << "one line: " << line;
            return line.substr(path_.string().size() + 1);
        }
        return "accepted";
    }

    std::filesystem::path path_;
};

TEST_F(SpecificationTest, ReadsTheCasesOfTheSuite) {
    const auto spec = read_specification(OVERLAP_WORKLOADS);
    ASSERT_EQ(spec.sleeps.size(), 5U);
    EXPECT_EQ(spec.sleeps[0].name, "three_1s") << "cases keep the order of the file";
    EXPECT_EQ(spec.sleeps[0].tasks, 3U);
    EXPECT_EQ(spec.sleeps[4].name, "1m_1s");
    EXPECT_EQ(spec.sleeps[4].tasks, 1'000'000U);
    ASSERT_EQ(spec.gather.size(), 5U);
    EXPECT_EQ(spec.gather[2].leaves(), 1'000'000U);
    EXPECT_EQ(spec.gather[2].tasks(), 1'111'110U);
    EXPECT_EQ(spec.gather[4].cores, 1U);
    ASSERT_EQ(spec.echo.size(), 4U);
    EXPECT_EQ(spec.echo[3].bytes, 16'384U);
    EXPECT_EQ(spec.heartbeat[1].parts, 100U);
    EXPECT_EQ(spec.heartbeat[1].interval, std::chrono::milliseconds(1));
    EXPECT_EQ(spec.mix[0].wait, std::chrono::milliseconds(19));
    EXPECT_EQ(spec.mix[3].wait, nanoseconds(0));
}

TEST_F(SpecificationTest, DelaysAreEqualListedOrDrawnByIndex) {
    const auto spec = read(R"(
        [sleeps.equal]
        tasks = 2
        delay_s = 0.25
        [sleeps.listed]
        delays_s = [1, 0.5]
        [sleeps.uniform]
        tasks = 1000
        delay_s = { min = 0.001, max = 0.002, seed = 7 }
    )");
    EXPECT_EQ(spec.sleeps[0].delay(1), std::chrono::milliseconds(250));
    EXPECT_EQ(spec.sleeps[1].delay(0), std::chrono::seconds(1));
    EXPECT_EQ(spec.sleeps[1].delay(1), std::chrono::milliseconds(500));
    EXPECT_DOUBLE_EQ(spec.sleeps[1].total_delay_s(), 1.5);
    EXPECT_EQ(spec.sleeps[1].longest_delay(), std::chrono::seconds(1));
    const auto& uniform = spec.sleeps[2];
    EXPECT_EQ(uniform.delay(3).count(),
              1'000'000 + static_cast<std::int64_t>(splitmix64(10) % 1'000'001));
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < 1000; ++i) {
        EXPECT_GE(uniform.delay(i), std::chrono::milliseconds(1));
        EXPECT_LE(uniform.delay(i), std::chrono::milliseconds(2));
        sum += uniform.delay(i).count();
    }
    EXPECT_LT(uniform.longest_delay(), uniform.longest) << "what is drawn need not be the bound";
    EXPECT_NEAR(static_cast<double>(sum) / 1000, 1.5e6, 5e4) << "uniform, seen from afar";
}

TEST_F(SpecificationTest, SplitMixIsTheOneOfTheSpecification) {
    EXPECT_EQ(splitmix64(1), 10451216379200822465U);
}

TEST_F(SpecificationTest, SaysWhatIsWrongAndWhere) {
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

TEST_F(SpecificationTest, AFileThatIsNotThereIsNamed) {
    EXPECT_THROW(
        {
            try {
                read_specification("/nonexistent/workloads.toml");
            } catch (const specification_error& error) {
                EXPECT_THAT(error.what(), testing::HasSubstr("/nonexistent/workloads.toml"));
                throw;
            }
        },
        specification_error);
}

TEST_F(SpecificationTest, TheHashIsThatOfTheText) {
    const std::string text = "[gather.a]\nfan_out = 1\n";
    const auto first = read(text).hash;
    EXPECT_EQ(first, read(text).hash);
    EXPECT_NE(first, read(text + "# more\n").hash);
    EXPECT_EQ(first.size(), 16U);
}

}  // namespace
}  // namespace overlap::bench
