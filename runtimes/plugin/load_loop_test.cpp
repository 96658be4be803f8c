// What a program says of shared libraries that are no plug-ins, or bad ones.
#include <overlap/plugin/dynamic_loop.hpp>
#include <overlap/plugin/load_loop.hpp>

#include <chrono>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

namespace {

using namespace overlap;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string library(const std::string& name) {
    return std::string(OVERLAP_TEST_PLUGINS) + "/" + name + ".so";
}

/// What probe_loop() has to say against the file.
std::string complaint_about(const std::string& path,
                            std::chrono::seconds patience = std::chrono::seconds(60)) {
    try {
        const auto found = probe_loop(path, patience);
        return "nothing: it is called " + found.name;
    } catch (const plugin_error& error) {
        return error.what();
    }
}

struct bad_plugin {
    std::string name;
    std::string words;
};

class a_bad_plugin : public testing::TestWithParam<bad_plugin> {};

TEST_P(a_bad_plugin, is_named_with_its_fault_in_one_line) {
    const std::string path = library(GetParam().name);
    EXPECT_THAT(complaint_about(path),
                AllOf(StartsWith(path + ": "), HasSubstr(GetParam().words), Not(HasSubstr("\n"))));
}

INSTANTIATE_TEST_SUITE_P(
    load_loop, a_bad_plugin,
    testing::Values(bad_plugin{"not_there", "cannot be loaded as a shared library: cannot open"},
                    bad_plugin{"no_plugin", "is no plug-in: it exports no function overlap_loop"},
                    bad_plugin{"wrong_version", "its table has version 2, this program needs 1"},
                    bad_plugin{"short_table", "its table has 88 bytes, expected 104"},
                    bad_plugin{"missing_function", "its table has no function create"},
                    bad_plugin{"wrong_name", "its name is 'poll/2', expected letters, digits"},
                    bad_plugin{"crash_on_load",
                               "the process was killed by signal 6 (Aborted) while it was loaded"}),
    [](const auto& each) { return each.param.name; });

TEST(load_loop, a_plugin_that_hangs_is_given_up) {
    EXPECT_THAT(complaint_about(library("hang_on_load"), std::chrono::seconds(1)),
                HasSubstr("did not come back from being loaded within 1 s"));
}

TEST(load_loop, a_text_file_is_no_shared_library) {
    EXPECT_THAT(complaint_about(__FILE__), HasSubstr("cannot be loaded as a shared library"));
}

TEST(load_loop, a_probe_tells_name_and_availability) {
    const auto sound = probe_loop(library("sound"));
    EXPECT_EQ(sound.name, "sound");
    EXPECT_TRUE(sound.here);
    const auto unavailable = probe_loop(library("not_available"));
    EXPECT_EQ(unavailable.name, "not_available");
    EXPECT_EQ(unavailable.here.reason, "needs a kernel from next year");
}

overlap_loop_table loaded;
using loaded_loop = dynamic_loop<loaded>;
static_assert(event_loop<loaded_loop>);

TEST(dynamic_loop, passes_on_what_the_loaded_loop_does) {
    loaded = load_loop(library("sound"));
    EXPECT_EQ(loaded_loop::name(), "sound");
    ASSERT_TRUE(loaded_loop::available());
    loaded_loop loop;
    struct stopping : operation {
        explicit stopping(loaded_loop& which)
            : operation(
                  [](operation* self) noexcept { static_cast<stopping*>(self)->loop->stop(); }),
              loop(&which) {}
        loaded_loop* loop;
    } stop(loop);
    loop.post(&stop);
    loop.run();
    const time_point before = std::chrono::steady_clock::now();
    EXPECT_GE(loop.now(), before);
}

TEST(dynamic_loop, says_why_a_loop_is_not_available) {
    loaded = load_loop(library("not_available"));
    EXPECT_EQ(loaded_loop::available().reason, "needs a kernel from next year");
}

TEST(dynamic_loop, throws_the_reason_of_a_loop_that_cannot_be_made) {
    loaded = load_loop(library("cannot_be_made"));
    EXPECT_THROW(
        {
            try {
                loaded_loop loop;
            } catch (const loop_error& error) {
                EXPECT_STREQ(error.what(), "out of luck");
                throw;
            }
        },
        loop_error);
}

TEST(dynamic_loop, throws_the_reason_of_a_run_that_gives_up) {
    loaded = load_loop(library("throws_in_run"));
    loaded_loop loop;
    EXPECT_THROW(
        {
            try {
                loop.run();
            } catch (const loop_error& error) {
                EXPECT_STREQ(error.what(), "the dog ate the descriptor");
                throw;
            }
        },
        loop_error);
}

}  // namespace
