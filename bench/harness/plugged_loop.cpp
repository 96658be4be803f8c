#include "bench/harness/plugged_loop.hpp"

#include "bench/harness/options.hpp"

#include <filesystem>
#include <unistd.h>

namespace overlap::bench {

plugged_loop probe_plugged_loop(const std::string& path) {
    if (::access(path.c_str(), R_OK) != 0 || std::filesystem::is_directory(path)) {
        throw usage_error("--loop=" + path + ": no such plug-in; expected a shared library (see " +
                          "overlap/loop.h), or a loop's name without a slash");
    }
    try {
        const loop_description found = probe_loop(path);
        return {path, found.name, found.here};
    } catch (const plugin_error& error) {
        return {path, std::filesystem::path(path).stem(), {error.what()}};
    }
}

}  // namespace overlap::bench
