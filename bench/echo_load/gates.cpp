#include "gates.hpp"

#include "bench/harness/percentiles.hpp"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>

namespace overlap::load {
namespace {

constexpr double least_answered = 0.95;
constexpr double most_little_error = 0.05;

// Sending so late is nothing beside the latency, or beside what a thread takes to wake up.
constexpr double latest_s = 50e-6;
constexpr double latest_share = 0.1;  // of the median latency

std::string digits(double value, int after_point = 0) {
    std::ostringstream text;
    text << std::fixed << std::setprecision(after_point) << value;
    return text.str();
}

/// With commas between thousands.
std::string whole(double value) {
    std::string text = digits(value);
    for (std::size_t place = text.size(); place > 3;) text.insert(place -= 3, 1, ',');
    return text;
}

std::string percent(double share) { return digits(share * 100) + "%"; }

/// Of an open loop; times are nanoseconds since its start.
class course {
public:
    explicit course(const load_result& result) : result_(result) {}

    [[nodiscard]] std::uint64_t end_of(std::size_t i) const {
        const std::uint64_t latency = result_.latencies_ns[i];
        return latency == unanswered ? unanswered : result_.due.due_ns(i) + latency;
    }

    /// Messages under way, on average: what they spent between two times.
    [[nodiscard]] double under_way(std::uint64_t from, std::uint64_t until) const {
        double sum_ns = 0;
        for (std::size_t i = 0; i < result_.due.size(); ++i) {
            const std::uint64_t begin = std::max(from, result_.due.due_ns(i));
            const std::uint64_t end = std::min(until, end_of(i));
            if (begin < end) sum_ns += static_cast<double>(end - begin);
        }
        return sum_ns / static_cast<double>(until - from);
    }

private:
    const load_result& result_;
};

/// Beyond what comes and goes by chance, three standard deviations of a Poisson number, and enough to
/// mean that more comes than is answered.
bool grows(double before, double now, double due_meanwhile) {
    constexpr double share = 0.01;
    return now - before > std::max(share * due_meanwhile, 3 * std::sqrt(before + 1));
}

double mean_latency_s(const load_result& result) {
    double sum = 0;
    for (std::size_t i = result.due.first_measured(); i < result.due.size(); ++i) {
        sum += static_cast<double>(result.latencies_ns[i]) * 1e-9;
    }
    return sum / static_cast<double>(result.due.size() - result.due.first_measured());
}

double lateness_p99_s(const load_result& result) {
    const auto first = static_cast<std::ptrdiff_t>(result.due.first_measured());
    const auto found = bench::percentiles(
        "", std::vector(result.lateness_ns.begin() + first, result.lateness_ns.end()));
    const auto p99 = std::find_if(found.begin(), found.end(),
                                  [](const auto& each) { return each.first == "_p99_s"; });
    return p99 == found.end() ? found.back().second : p99->second;
}

void add_generator_gates(const load_result& result, double little_error,
                         std::vector<std::string>& into) {
    if (1 - result.idle_share > busiest) {
        into.push_back("generator-bound: echo_load was busy for " + percent(1 - result.idle_share) +
                       " of the time");
    }
    if (little_error > most_little_error) {
        into.push_back("Little's law: off by " + percent(little_error));
    }
}

}  // namespace

steadiness steadiness_of(const load_result& result) {
    const schedule& due = result.due;
    const std::uint64_t begin = due.warm_up_ns();
    const std::uint64_t end = due.duration_ns();
    const std::uint64_t quarter = (end - begin) / 4;
    const course all(result);
    steadiness found;
    found.offered_per_s = static_cast<double>(due.size()) / (static_cast<double>(end) * 1e-9);
    found.window_s = static_cast<double>(end - begin) * 1e-9;
    found.due = due.size() - due.first_measured();
    for (std::size_t i = 0; i < due.size(); ++i) {
        const std::uint64_t came_back = all.end_of(i);
        if (begin <= came_back && came_back < end) ++found.answered;
        if (came_back >= end) ++found.backlog;
    }
    found.backlog_before = all.under_way(end - 2 * quarter, end - quarter);
    const double last = all.under_way(end - quarter, end);
    found.backlog_grows = static_cast<double>(found.backlog) >= last &&
                          grows(found.backlog_before, last, static_cast<double>(found.due) / 4);
    const double spent_s = all.under_way(begin, end) * found.window_s;
    const double expected_s = static_cast<double>(found.answered) * mean_latency_s(result);
    found.little_error = std::abs(spent_s - expected_s) / std::max(spent_s, 1e-12);
    found.lateness_p99_s = lateness_p99_s(result);
    return found;
}

std::string overloaded(const steadiness& found) {
    return "overloaded: answered " + percent(found.answered_share()) + " of " +
           whole(found.offered_per_s) + "/s";
}

std::vector<std::string> gates_of(const load_result& result, double little_error) {
    std::vector<std::string> words;
    add_generator_gates(result, little_error, words);
    return words;
}

std::vector<std::string> gates_of(const load_result& result, const steadiness& found,
                                  double latency_p50_s) {
    std::vector<std::string> words;
    if (found.answered_share() < least_answered) {
        words.push_back(overloaded(found));
    } else if (found.backlog_grows) {
        words.push_back("backlog still growing: " + std::to_string(found.backlog) +
                        " messages under way at the end, " + digits(found.backlog_before) +
                        " on average in the third quarter");
    }
    if (found.lateness_p99_s > std::max(latest_s, latest_share * latency_p50_s)) {
        words.push_back("generator late: p99 of sending is " +
                        digits(found.lateness_p99_s * 1e6, 1) + " us after the message was due");
    }
    add_generator_gates(result, found.little_error, words);
    return words;
}

}  // namespace overlap::load
