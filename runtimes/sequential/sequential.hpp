// One task after another, no concurrency: what every speed-up is measured against.
#pragma once

#include <overlap/core/blocking_calls.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/core/task_results.hpp>

#include <cstddef>

namespace overlap {

/// Runs the tasks of a gather in order on the calling thread. Tasks that wait for one another wait
/// for ever, since one is in flight at a time. Stateless: any thread may use it.
class sequential : public blocking_calls {
public:
    [[nodiscard]] static constexpr const char* name() noexcept { return "sequential"; }
    [[nodiscard]] static constexpr std::size_t task_limit() noexcept { return 1; }

    template <class Root>
    static decltype(auto) run(Root&& root) {
        return root();
    }

    template <class Body>
    static auto gather(std::size_t n, const Body& body) {
        task_results<task_result_t<Body>> results(n);
        for (std::size_t index = 0; index < n; ++index) results.run(body, index);
        return results.take();
    }

    /// No other task is ever ready.
    static void yield() noexcept {}
};

static_assert(direct_runtime<sequential>);

}  // namespace overlap
