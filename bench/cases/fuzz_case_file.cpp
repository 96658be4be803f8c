// Any bytes as a workload file are cases, or a case_error of one line: libFuzzer's entry.
#include "bench/cases/case_file.hpp"
#include "overlap_cases.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

namespace {

namespace bench = overlap::bench;

/// A file in memory, which the reader opens by its path.
class memory_file {
public:
    memory_file() : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
        if (descriptor_ < 0) std::abort();
    }

    void hold(const std::uint8_t* data, std::size_t size) const {
        if (::ftruncate(descriptor_, 0) != 0) std::abort();
        if (::pwrite(descriptor_, data, size, 0) != static_cast<ssize_t>(size)) std::abort();
    }
    [[nodiscard]] std::string path() const {
        return "/proc/self/fd/" + std::to_string(descriptor_);
    }

private:
    int descriptor_;
};

template <class... Cases>
std::size_t count_all(const bench::case_file& file, const std::tuple<Cases...>*) {
    return (file.cases<Cases>().size() + ...);
}

void expect_one_line(std::string_view said) {
    const auto is_control = [](char letter) { return (letter & ~0x1f) == 0 || letter == 0x7f; };
    if (!said.empty() && std::none_of(said.begin(), said.end(), is_control)) return;
    std::fprintf(stderr, "no line: %s\n", std::string(said).c_str());
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const memory_file memory;
    memory.hold(data, size);
    // Cases may be a family each over cores, as --cores makes them.
    const bool swept = size % 2 == 1;
    try {
        const bench::case_file file(memory.path(), swept ? std::vector<std::size_t>{1, 2}
                                                         : std::vector<std::size_t>{});
        count_all(file, static_cast<const all_cases*>(nullptr));
    } catch (const bench::case_error& error) {
        expect_one_line(error.what());
    }
    return 0;
}
