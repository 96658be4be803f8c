// Event loops from shared libraries: loaded, checked, and tried out where a crash does no harm.
#pragma once

#include <overlap/core/event_loop.hpp>
#include <overlap/core/forked_call.hpp>
#include <overlap/loop.h>

#include <chrono>
#include <cstring>
#include <dlfcn.h>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unistd.h>

namespace overlap {

/// A file is no plug-in, or one that cannot be used. what() is one line that begins with its path.
class plugin_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

namespace detail {

inline constexpr std::string_view name_characters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

/// The first of the table's functions that is not there, or "" when all are.
inline std::string_view missing_function(const overlap_loop_table& table) noexcept {
    if (table.available == nullptr) return "available";
    if (table.create == nullptr) return "create";
    if (table.destroy == nullptr) return "destroy";
    if (table.now == nullptr) return "now";
    if (table.post == nullptr) return "post";
    if (table.post_remote == nullptr) return "post_remote";
    if (table.call_at == nullptr) return "call_at";
    if (table.submit == nullptr) return "submit";
    if (table.cancel == nullptr) return "cancel";
    if (table.run == nullptr) return "run";
    if (table.stop == nullptr) return "stop";
    return "";
}

/// What is wrong with a table, in words; "" when nothing is. A table of another version is not looked
/// at any further, since it may be laid out in another way.
inline std::string fault_of(const overlap_loop_table* table) {
    if (table == nullptr) return "overlap_loop() returned no table";
    if (table->version != OVERLAP_LOOP_VERSION) {
        return "its table has version " + std::to_string(table->version) + ", this program needs " +
               std::to_string(OVERLAP_LOOP_VERSION) +
               ": build it with this program's overlap/loop.h";
    }
    if (table->size < sizeof(overlap_loop_table)) {
        return "its table has " + std::to_string(table->size) + " bytes, expected " +
               std::to_string(sizeof(overlap_loop_table)) +
               ": set size to sizeof(overlap_loop_table)";
    }
    if (const auto missing = missing_function(*table); !missing.empty()) {
        return "its table has no function " + std::string(missing);
    }
    const std::string_view name = table->name == nullptr ? "" : table->name;
    if (name.empty()) return "its table has no name";
    if (name.find_first_not_of(name_characters) != std::string_view::npos) {
        return "its name is '" + std::string(name) +
               "', expected letters, digits, '_', '-' and '.' only";
    }
    return "";
}

}  // namespace detail

/// Loads the shared library at `path` and returns the table that its overlap_loop() gives. The library
/// stays loaded until the program ends. Throws plugin_error. What the library does while it is loaded,
/// it does in this process: ask probe_loop() first.
inline overlap_loop_table load_loop(const std::string& path) {
    if (path.empty()) throw plugin_error("an empty path: expected a shared library");
    // A path without a slash would be searched for among the system's libraries (dlopen(3)).
    const std::string file = std::filesystem::absolute(path).string();
    void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == nullptr) {
        std::string reason = ::dlerror();
        if (reason.starts_with(file + ": ")) reason.erase(0, file.size() + 2);
        throw plugin_error(path + ": cannot be loaded as a shared library: " + reason);
    }
    const auto get = reinterpret_cast<decltype(&overlap_loop)>(::dlsym(library, "overlap_loop"));
    if (get == nullptr) {
        throw plugin_error(path + ": is no plug-in: it exports no function overlap_loop "
                                  "(see overlap/loop.h)");
    }
    const overlap_loop_table* table = get();
    if (const std::string fault = detail::fault_of(table); !fault.empty()) {
        throw plugin_error(path + ": " + fault);
    }
    return *table;
}

/// What is known of a plug-in before it is used.
struct loop_description {
    std::string name;
    availability here;
};

/// Loads a plug-in in a child process and asks it for its name and whether it can work here, so that
/// one that crashes or hangs at that does no harm. Throws plugin_error. The calling process must have
/// only one thread.
inline loop_description probe_loop(const std::string& path,
                                   std::chrono::seconds patience = std::chrono::seconds(10)) {
    const auto result = forked_call(
        [&]() -> std::string {
            ::dup2(STDERR_FILENO, STDOUT_FILENO);  // Whatever it prints is nobody's result.
            try {
                const overlap_loop_table table = load_loop(path);
                char reason[512] = "";
                const bool here = table.available(reason, sizeof reason) == 0;
                if (!here && *reason == '\0') std::strcpy(reason, "it gave no reason");
                return std::string("+") + table.name + "\n" + (here ? "" : reason);
            } catch (const plugin_error& error) {
                return std::string("-") + error.what();
            }
        },
        patience);
    const std::string& said = result.message;
    if (result.hung) {
        throw plugin_error(path + ": did not come back from being loaded within " +
                           std::to_string(patience.count()) + " s");
    }
    const std::string end = describe_end(result.status);
    if (!end.empty() || said.empty()) {
        throw plugin_error(path + ": the process " + (end.empty() ? "ended" : end) +
                           " while it was loaded");
    }
    if (said.front() == '-') throw plugin_error(said.substr(1));
    const auto line_end = said.find('\n');
    return {said.substr(1, line_end - 1), {said.substr(line_end + 1)}};
}

}  // namespace overlap
