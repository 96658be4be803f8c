// A workload file (TOML), and how cases are read from it. bench/README.md says what each key means.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace overlap::bench {

using std::chrono::nanoseconds;

/// A workload file that cannot be used: what() is one line with the file, the line in it, what was
/// found and what was expected.
class case_error : public std::runtime_error {
public:
    /// What stands in a file, and so in words about it, may be anything: of a control character there
    /// is left a space.
    explicit case_error(std::string words);
};

// What only a mistake exceeds.
inline constexpr std::int64_t most_tasks = 100'000'000;
inline constexpr std::int64_t most_work = 4'000'000'000;  ///< Steps of xorshift32.
inline constexpr std::int64_t most_rounds = 1'000'000;

/// One table of the file, read key by key: what is left over at the end is unknown. Whatever is not
/// as it should be is a case_error.
class case_reader {
public:
    struct table;
    explicit case_reader(std::shared_ptr<table> of) : table_(std::move(of)) {}

    /// The last part of the table's name.
    [[nodiscard]] const std::string& name() const noexcept;
    [[nodiscard]] bool has(std::string_view key) const;

    /// A whole number from `least` to `most`, or `{ per_core = n }`: n for each core of the case.
    template <std::integral Number>
    void read(std::string_view key, Number& into, std::int64_t least, std::int64_t most) {
        into = static_cast<Number>(integer(key, least, most));
    }
    /// The same, where it is given.
    template <std::integral Number>
    void read_optional(std::string_view key, Number& into, std::int64_t least, std::int64_t most) {
        mention({key});
        if (has(key)) read(key, into, least, most);
    }
    /// One of `words`, where it is given.
    void read_optional(std::string_view key, std::string& into,
                       std::initializer_list<std::string_view> words);
    /// Seconds, from 0 to 3,600. `expected` is what else there could be.
    void read(std::string_view key, nanoseconds& into, std::string_view expected = "seconds");
    /// A list of at least one.
    void read(std::string_view key, std::vector<nanoseconds>& into);
    /// What stands there, if it is a table.
    [[nodiscard]] std::optional<case_reader> inner(std::string_view key);

    /// Keys that are known, although this table need not have them.
    void mention(std::initializer_list<std::string_view> keys);
    /// Complains about the first key that nobody asked for.
    void finish() const;
    [[noreturn]] void fail(std::string_view key, const std::string& expected) const;

private:
    [[nodiscard]] std::int64_t integer(std::string_view key, std::int64_t least, std::int64_t most);

    std::shared_ptr<table> table_;
};

/// What the cases of all workloads have in common.
struct case_base {
    std::string name;
    std::size_t iterations = 1;  ///< Measured runs a sample.
    std::size_t cores = 0;       ///< How many cores the backend is held to; 0: all.
    std::size_t repeat = 1;      ///< Most runs a measured iteration, one after another.

    void read_common(case_reader& reader);
};

class case_file {
public:
    /// Reads the cases of all workloads, whichever will be asked for. With some numbers of `cores` each
    /// case that does not say on how many it runs is a family, one for each of them. Throws case_error.
    explicit case_file(const std::string& path, std::vector<std::size_t> cores = {});

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    /// FNV-1a of the file's bytes, as 16 hexadecimal digits.
    [[nodiscard]] const std::string& hash() const noexcept { return hash_; }

    /// The cases of one workload, in the order of the file.
    template <class Case>
    [[nodiscard]] std::vector<Case> cases() const {
        std::vector<Case> all;
        for (case_reader& reader : readers_of(Case::workload)) {
            Case& each = all.emplace_back();
            each.read_common(reader);
            each.read(reader);
            reader.finish();
        }
        return all;
    }

private:
    struct content;

    template <class... Cases>
    void check_all(const std::tuple<Cases...>*) const;
    [[nodiscard]] std::vector<case_reader> readers_of(const std::string& workload) const;

    std::string path_;
    std::vector<std::size_t> cores_;
    std::string hash_;
    std::shared_ptr<const content> content_;
};

}  // namespace overlap::bench
