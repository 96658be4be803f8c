#include "bench/harness/task_limit.hpp"

#include "bench/harness/child.hpp"
#include "bench/harness/session.hpp"

#include <overlap/core/runtime.hpp>

#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

namespace overlap::bench {

namespace {

std::size_t probed(std::size_t cores, const std::function<std::size_t()>& limit) {
    child probe(purpose::measure_memory, {}, [&](session& line) {
        hold_to_cores(cores);
        line.report("limit", {{"tasks", static_cast<double>(limit())}});
    });
    const auto message = probe.receive(clock::now() + std::chrono::seconds(10));
    if (!message) throw std::runtime_error("failed: its runtime cannot be made: " + probe.end());
    if (message->at("kind") == "error") throw std::runtime_error(message->at("words"));
    const double tasks = message->at("figures").at("tasks");
    return tasks >= static_cast<double>(unlimited) ? unlimited : static_cast<std::size_t>(tasks);
}

}  // namespace

std::size_t probe_task_limit(const std::string& backend, std::size_t cores,
                             const std::function<std::size_t()>& limit) {
    static std::map<std::pair<std::string, std::size_t>, std::size_t> known;
    const std::pair key(backend, cores);
    const auto found = known.find(key);
    if (found != known.end()) return found->second;
    return known[key] = probed(cores, limit);
}

std::string why_beyond(std::size_t task_limit, std::size_t tasks) {
    if (tasks <= task_limit) return {};
    return "limit: at most " + std::to_string(task_limit) + " tasks at once here, needs " +
           std::to_string(tasks);
}

}  // namespace overlap::bench
