// A case of cancel: how many sleeping tasks are cancelled.
#pragma once

#include "bench/cases/case_file.hpp"

#include <cstddef>
#include <nlohmann/json.hpp>

namespace overlap::bench {

struct cancel_case : case_base {
    static constexpr const char* workload = "cancel";

    std::size_t tasks = 0;

    [[nodiscard]] std::size_t task_count() const noexcept { return tasks; }

    void read(case_reader& reader) { reader.read("tasks", tasks, 1, most_tasks); }

    [[nodiscard]] nlohmann::json to_json() const { return {{"tasks", tasks}}; }
};

}  // namespace overlap::bench
