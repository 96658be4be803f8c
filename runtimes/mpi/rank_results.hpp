// How what the ranks of a gather have computed comes together.
#pragma once

#include <overlap/core/runtime.hpp>
#include <overlap/core/shared_tasks.hpp>
#include <overlap/core/task_failure.hpp>
#include <overlap/mpi/mpi_call.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mpi.h>
#include <stdexcept>
#include <string>
#include <vector>

namespace overlap::detail {

/// What one worker, or one rank, has done of a gather: the ranges that it has run, their results one
/// behind another in the same order, and what the lowest of its indices threw.
struct rank_share {
    std::vector<task_range> ranges;
    std::vector<std::byte> results;
    task_failure failure;

    void add(task_range range) {
        if (!ranges.empty() && ranges.back().last == range.first) {
            ranges.back().last = range.last;
        } else {
            ranges.push_back(range);
        }
    }

    void add(rank_share&& other) {
        if (other.failure.index() < failure.index()) failure = other.failure;
        if (ranges.empty()) {
            ranges = std::move(other.ranges);
            results = std::move(other.results);
            return;
        }
        ranges.insert(ranges.end(), other.ranges.begin(), other.ranges.end());
        results.insert(results.end(), other.results.begin(), other.results.end());
    }

    [[nodiscard]] std::size_t tasks() const noexcept {
        std::size_t sum = 0;
        for (const task_range& each : ranges) sum += each.last - each.first;
        return sum;
    }
};

/// A type of MPI for `size` bytes that belong together, so that counts are of things and not of
/// bytes: MPI's are ints.
class byte_type {
public:
    explicit byte_type(std::size_t size) {
        check_mpi(MPI_Type_contiguous(static_cast<int>(size), MPI_BYTE, &type_),
                  "MPI_Type_contiguous");
        check_mpi(MPI_Type_commit(&type_), "MPI_Type_commit");
    }
    byte_type(const byte_type&) = delete;
    byte_type& operator=(const byte_type&) = delete;
    ~byte_type() { MPI_Type_free(&type_); }

    [[nodiscard]] MPI_Datatype get() const noexcept { return type_; }

private:
    MPI_Datatype type_ = MPI_DATATYPE_NULL;
};

/// What every rank is told of every other when all have run out of tasks.
struct share_summary {
    std::uint64_t n;            ///< Tasks of the gather that it is in.
    std::uint64_t result_size;  ///< Bytes of a result of that gather.
    std::uint64_t ranges;
    std::uint64_t tasks;
    std::uint64_t failed;  ///< The lowest index that threw.
};

/// The meeting of all ranks at the end of a gather.
class rank_meeting {
public:
    /// Throws std::logic_error on all ranks when they are not in the same gather, and on all of them
    /// what the task of the lowest index threw.
    rank_meeting(const rank_group& ranks, std::size_t n, std::size_t result_size,
                 const rank_share& own)
        : ranks_(ranks), n_(n), result_size_(result_size), own_(own),
          all_(static_cast<std::size_t>(ranks.size())) {
        const share_summary mine{.n = n,
                                 .result_size = result_size,
                                 .ranges = own.ranges.size(),
                                 .tasks = own.tasks(),
                                 .failed = own.failure.index()};
        constexpr int words = sizeof mine / sizeof mine.n;
        check_mpi(MPI_Allgather(&mine, words, MPI_UINT64_T, all_.data(), words, MPI_UINT64_T,
                                ranks.get()),
                  "MPI_Allgather");
        refuse_other_gathers();
        throw_failure();
    }

    /// The results of all tasks by index, at rank 0, and with `everywhere` at all others, too;
    /// nothing where they are not wanted.
    [[nodiscard]] std::unique_ptr<std::byte[]> results(bool everywhere) const {
        const byte_type range_type(sizeof(task_range));
        const byte_type result_type(result_size_);
        const auto ranges = gathered<task_range>(own_.ranges.data(), &share_summary::ranges,
                                                 range_type, sizeof(task_range));
        const auto packed = gathered<std::byte>(own_.results.data(), &share_summary::tasks,
                                                result_type, result_size_);
        if (!ranks_.is_root() && !everywhere) return nullptr;
        auto ordered = std::make_unique_for_overwrite<std::byte[]>(n_ * result_size_);
        if (ranks_.is_root()) put_in_order(ranges.get(), packed.get(), ordered.get());
        if (everywhere) {
            check_mpi(
                MPI_Bcast(ordered.get(), static_cast<int>(n_), result_type.get(), 0, ranks_.get()),
                "MPI_Bcast of results");
        }
        return ordered;
    }

private:
    void refuse_other_gathers() const {
        std::uint64_t done = 0;
        for (std::size_t rank = 0; rank < all_.size(); ++rank) {
            const share_summary& each = all_[rank];
            done += each.tasks;
            if (each.n == all_[0].n && each.result_size == all_[0].result_size) continue;
            throw std::logic_error("the ranks are out of step: rank " + std::to_string(rank) +
                                   " is in a gather of " + in_words(each) + ", rank 0 in one of " +
                                   in_words(all_[0]) + "; every rank has to enter every gather");
        }
        if (done == n_) return;
        throw std::logic_error("the ranks ran " + std::to_string(done) + " of " +
                               std::to_string(n_) + " tasks");
    }

    static std::string in_words(const share_summary& of) {
        return std::to_string(of.n) + " tasks with results of " + std::to_string(of.result_size) +
               " bytes";
    }

    void throw_failure() const {
        const auto lowest =
            std::min_element(all_.begin(), all_.end(), [](const auto& left, const auto& right) {
                return left.failed < right.failed;
            });
        if (lowest->failed == task_failure::no_task) return;
        task_failure failure = own_.failure;
        check_mpi(MPI_Bcast(&failure, sizeof failure, MPI_BYTE,
                            static_cast<int>(lowest - all_.begin()), ranks_.get()),
                  "MPI_Bcast of an exception");
        failure.rethrow();
    }

    /// What all ranks have of something, one rank behind another, at rank 0.
    template <class Value>
    [[nodiscard]] std::unique_ptr<Value[]> gathered(const Value* own,
                                                    std::uint64_t share_summary::* count,
                                                    const byte_type& type, std::size_t size) const {
        std::vector<int> counts;
        std::vector<int> places;
        std::size_t sum = 0;
        for (const share_summary& each : all_) {
            counts.push_back(static_cast<int>(each.*count));
            places.push_back(static_cast<int>(sum));
            sum += each.*count;
        }
        std::unique_ptr<Value[]> all;
        if (ranks_.is_root()) {
            all = std::make_unique_for_overwrite<Value[]>(sum * size / sizeof(Value));
        }
        const int sent = counts[static_cast<std::size_t>(ranks_.rank())];
        check_mpi(MPI_Gatherv(own, sent, type.get(), all.get(), counts.data(), places.data(),
                              type.get(), 0, ranks_.get()),
                  "MPI_Gatherv");
        return all;
    }

    void put_in_order(const task_range* ranges, const std::byte* packed, std::byte* ordered) const {
        std::size_t count = 0;
        for (const share_summary& each : all_) count += each.ranges;
        for (const task_range* range = ranges; range != ranges + count; ++range) {
            const std::size_t bytes = (range->last - range->first) * result_size_;
            std::memcpy(ordered + range->first * result_size_, packed, bytes);
            packed += bytes;
        }
    }

    const rank_group& ranks_;
    std::size_t n_;
    std::size_t result_size_;
    const rank_share& own_;
    std::vector<share_summary> all_;
};

}  // namespace overlap::detail
