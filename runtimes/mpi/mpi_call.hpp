// Calls of MPI that throw, and MPI itself for as long as a program uses it.
#pragma once

#include <array>
#include <cstddef>
#include <mpi.h>
#include <stdexcept>
#include <string>

namespace overlap {

/// A call of MPI failed; what() names the call and what MPI says of it.
class mpi_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

namespace detail {

/// Throws mpi_error unless `code` is success; `what` names the call. MPI ends the program by itself
/// where the communicator's error handler says so, which it does unless told otherwise.
inline void check_mpi(int code, const char* what) {
    if (code == MPI_SUCCESS) return;
    std::array<char, MPI_MAX_ERROR_STRING> words{};
    int length = 0;
    MPI_Error_string(code, words.data(), &length);
    throw mpi_error(std::string(what) + ": " + words.data());
}

}  // namespace detail

/// MPI from its start to its end: one a program, made before any runtime on it and destroyed after
/// the last. All ranks make and destroy theirs.
class mpi_environment {
public:
    /// Throws mpi_error where MPI cannot be called from several threads in turn.
    mpi_environment() {
        int given = MPI_THREAD_SINGLE;
        detail::check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &given),
                          "MPI_Init_thread");
        if (given < MPI_THREAD_SERIALIZED) {
            throw mpi_error("this MPI cannot be called from several threads, not even in turn "
                            "(MPI_THREAD_SERIALIZED)");
        }
    }
    mpi_environment(const mpi_environment&) = delete;
    mpi_environment& operator=(const mpi_environment&) = delete;
    ~mpi_environment() { MPI_Finalize(); }
};

/// The ranks that work together: a communicator of their own, so that no message of somebody else's
/// is ever taken for one of theirs. All of them make it, and destroy it, together.
class rank_group {
public:
    explicit rank_group(MPI_Comm of) {
        detail::check_mpi(MPI_Comm_dup(of, &ranks_), "MPI_Comm_dup");
        MPI_Comm_set_errhandler(ranks_, MPI_ERRORS_RETURN);
        MPI_Comm_rank(ranks_, &rank_);
        MPI_Comm_size(ranks_, &size_);
    }
    rank_group(const rank_group&) = delete;
    rank_group& operator=(const rank_group&) = delete;
    ~rank_group() { MPI_Comm_free(&ranks_); }

    [[nodiscard]] MPI_Comm get() const noexcept { return ranks_; }
    [[nodiscard]] int rank() const noexcept { return rank_; }
    [[nodiscard]] int size() const noexcept { return size_; }
    [[nodiscard]] bool is_root() const noexcept { return rank_ == 0; }

private:
    MPI_Comm ranks_ = MPI_COMM_NULL;
    int rank_ = 0;
    int size_ = 1;
};

}  // namespace overlap
