#include "schedule.hpp"

#include "payload.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>
#include <utility>

namespace overlap::load {
namespace {

/// The same numbers everywhere, which those of the standard library's distributions are not.
class random_numbers {
public:
    explicit random_numbers(std::uint64_t seed) : state_(mix(seed ^ 0xa0761d6478bd642fU)) {}

    /// In [0, 1).
    double fraction() noexcept { return static_cast<double>(next() >> 11U) * 0x1p-53; }

    /// In [0, bound), for bounds far below 2^53.
    std::size_t below(std::size_t bound) noexcept {
        return static_cast<std::size_t>(fraction() * static_cast<double>(bound));
    }

private:
    std::uint64_t next() noexcept { return mix(state_ += 0x9e3779b97f4a7c15U); }

    std::uint64_t state_;
};

/// Distances between sorted uniform numbers are distributed as exponential ones divided by their sum,
/// the one after the last among them (Devroye, "Non-Uniform Random Variate Generation", 1986, V.3).
std::vector<double> sorted_uniform(std::size_t count, random_numbers& random) {
    std::vector<double> numbers(count);
    const auto distance = [&] { return -std::log1p(-random.fraction()); };
    double sum = 0;
    for (double& each : numbers) each = sum += distance();
    sum += distance();
    for (double& each : numbers) each /= sum;
    return numbers;
}

void shuffle(std::vector<std::uint32_t>& numbers, random_numbers& random) {
    for (std::size_t left = numbers.size(); left > 1; --left) {
        std::swap(numbers[left - 1], numbers[random.below(left)]);
    }
}

std::uint64_t to_ns(double seconds) {
    return static_cast<std::uint64_t>(std::llround(seconds * 1e9));
}

}  // namespace

std::size_t message_count(const load_options& options) {
    if (!options.open || !options.open->duration_s) return options.connections * options.messages;
    return static_cast<std::size_t>(
        std::llround(options.open->rate_per_s * *options.open->duration_s));
}

schedule::schedule(const load_options& options)
    : due_ns_(message_count(options)), connection_(due_ns_.size()) {
    const open_loop& asked = *options.open;
    const auto count = static_cast<double>(due_ns_.size());
    const double duration_s = count / asked.rate_per_s;
    duration_ns_ = to_ns(duration_s);
    for (std::size_t i = 0; i < connection_.size(); ++i) {
        connection_[i] = static_cast<std::uint32_t>(i % options.connections);
        due_ns_[i] = to_ns(static_cast<double>(i) / asked.rate_per_s);
    }
    if (asked.how == arrivals::poisson) {
        random_numbers random(options.seed);
        shuffle(connection_, random);
        const std::vector<double> times = sorted_uniform(due_ns_.size(), random);
        std::transform(times.begin(), times.end(), due_ns_.begin(),
                       [&](double share) { return to_ns(share * duration_s); });
    }
    leave_out_warm_up(asked);
    index(options.connections);
}

void schedule::leave_out_warm_up(const open_loop& asked) {
    if (asked.warm_up_s) {
        warm_up_ns_ = to_ns(*asked.warm_up_s);
    } else if (const std::size_t tenth = size() / 10; tenth > 0) {
        warm_up_ns_ = due_ns_[tenth];
    }
    const auto first = std::lower_bound(due_ns_.begin(), due_ns_.end(), warm_up_ns_);
    first_measured_ = static_cast<std::size_t>(first - due_ns_.begin());
    if (first_measured_ < size()) return;
    std::ostringstream words;
    words << "--rate " << asked.rate_per_s << ": no message is due after a warm-up of "
          << static_cast<double>(warm_up_ns_) * 1e-9 << " s in a run of "
          << static_cast<double>(duration_ns_) * 1e-9
          << " s; raise --rate, --duration or --messages, or lower --warm-up";
    throw usage_error(words.str());
}

void schedule::index(std::size_t connections) {
    first_of_.assign(connections + 1, 0);
    for (const std::uint32_t each : connection_) ++first_of_[each + 1];
    std::partial_sum(first_of_.begin(), first_of_.end(), first_of_.begin());
    by_connection_.resize(connection_.size());
    std::vector<std::size_t> place(first_of_.begin(), first_of_.end() - 1);
    for (std::size_t i = 0; i < connection_.size(); ++i) {
        by_connection_[place[connection_[i]]++] = static_cast<std::uint32_t>(i);
    }
}

}  // namespace overlap::load
