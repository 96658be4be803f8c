// Judges one rule in a child process, so that a hang or a crash is a verdict too.
#pragma once

#include <overlap/conformance/violation.hpp>
#include <overlap/core/forked_call.hpp>

#include <chrono>
#include <csignal>
#include <exception>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <utility>

// LeakSanitizer's own (sanitizer/lsan_interface.h), absent from a program built without it.
extern "C" [[gnu::weak]] int __lsan_do_recoverable_leak_check();

namespace overlap::conformance {

enum class outcome { kept, broken, not_applicable };

/// What became of a rule, and in words why, unless it was kept.
struct verdict {
    outcome what;
    std::string reason;
};

/// Which needs the thing under test and this program meet.
struct abilities {
    bool io = true;
    bool real_time = true;
    bool counted_allocation = false;

    [[nodiscard]] bool meet(need what) const noexcept {
        switch (what) {
        case need::nothing:
            return true;
        case need::io:
            return io;
        case need::real_time:
            return real_time;
        case need::counted_allocation:
            return counted_allocation && io;
        }
        return false;
    }
};

[[nodiscard]] inline std::string_view describe(need what) {
    switch (what) {
    case need::nothing:
        return "nothing";
    case need::io:
        return "I/O";
    case need::real_time:
        return "a clock that moves by itself";
    case need::counted_allocation:
        return "I/O and a program linked with count_allocations.cpp";
    }
    return "something unknown";
}

/// How long a rule may take before it counts as hung. Rules take milliseconds; the rest is for
/// busy machines and sanitizers.
inline constexpr std::chrono::seconds patience{20};

namespace detail {

/// What the child says when the rule was kept. The exit code alone would not do: a rule might end
/// the process.
inline constexpr std::string_view all_well = "kept";

/// How the child's words begin when the rule threw does_not_apply.
inline constexpr std::string_view no_case = "does not apply: ";

/// The child's side: "kept", or the reason why not.
inline std::string check_here(const rule& which) {
    ::signal(SIGPIPE, SIG_DFL);  // A loop must not count on its being ignored.
    try {
        which.check();
        if (__lsan_do_recoverable_leak_check != nullptr &&
            __lsan_do_recoverable_leak_check() != 0) {
            return "memory leaked: LeakSanitizer's report is above";
        }
        return std::string(all_well);
    } catch (const violation& broken) {
        return broken.what();
    } catch (const does_not_apply& other) {
        return text(no_case, other.what());
    } catch (const std::exception& other) {
        return text("seen: an exception: ", other.what());
    } catch (...) {
        return "seen: an exception that is no std::exception";
    }
}

inline verdict judge(forked_result ended, std::chrono::seconds limit) {
    auto& [hung, status, message] = ended;
    if (hung) {
        return {outcome::broken, text("seen: still running after ", limit.count(), " s (hung)")};
    }
    if (WIFSIGNALED(status)) {
        return {outcome::broken, text("seen: the process ", describe_end(status))};
    }
    if (message.empty() || (message == all_well && WEXITSTATUS(status) != 0)) {
        message = text("seen: the process ended with exit code ", WEXITSTATUS(status),
                       " (is a sanitizer's report above?)");
    }
    if (message == all_well) return {outcome::kept, ""};
    if (message.starts_with(no_case)) {
        return {outcome::not_applicable, message.substr(no_case.size())};
    }
    return {outcome::broken, std::move(message)};
}

}  // namespace detail

/// Checks `which` in a child process, if its need is met. Call it from a process that has only one
/// thread, as a child has only the thread that forked it. Throws std::system_error when there can
/// be no child.
inline verdict run_rule(const rule& which, const abilities& able = {},
                        std::chrono::seconds limit = patience) {
    if (!able.meet(which.needs)) {
        return {outcome::not_applicable, text("needs ", describe(which.needs))};
    }
    return detail::judge(forked_call([&] { return detail::check_here(which); }, limit), limit);
}

/// What a reader wants to know of a broken rule: name, what was seen, the contract and its place.
[[nodiscard]] inline std::string describe(const rule& which, const verdict& result) {
    return text(which.name, "\n  ", result.reason, "\n  contract: ", which.contract,
                "\n  written in: ", which.where);
}

}  // namespace overlap::conformance
