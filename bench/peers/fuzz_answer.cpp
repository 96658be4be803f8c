// Any bytes as a peer's answer are an answer, or an error of one printable line: libFuzzer's entry.
#include "bench/harness/session.hpp"
#include "bench/peers/answer.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace {

void expect_one_line(const std::string& said) {
    for (const char letter : overlap::bench::one_line(said)) {
        const auto byte = static_cast<unsigned char>(letter);
        if (byte >= 0x20 && byte != 0x7f) continue;
        std::fprintf(stderr, "no line of text: %s\n", said.c_str());
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string line(data, data + size);
    for (const char* key : {"wall_s", "port", "hello", "no_workload"}) {
        try {
            expect_one_line(overlap::bench::beginning_of(overlap::bench::answer_in(line, key)));
        } catch (const std::runtime_error& error) {
            expect_one_line(error.what());
        }
    }
    return 0;
}
