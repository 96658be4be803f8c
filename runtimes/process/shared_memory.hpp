// Memory that a process shares with those it forks, and that can grow after they were forked.
#pragma once

#include <overlap/core/machine_limits.hpp>
#include <overlap/core/runtime.hpp>
#include <overlap/core/socket.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>

namespace overlap {

/// A nameless file in memory (memfd_create(2)) and this process's view of it. A forked process
/// inherits both; when one side has grown the file, the other calls view() before it looks further.
/// Bytes are zero at first and keep their values. Holds one descriptor. Not for two threads at
/// once.
class shared_memory {
public:
    /// Throws limit_error when there is no descriptor or no memory left.
    explicit shared_memory(std::size_t size = 0) {
        const int file = ::memfd_create("overlap", MFD_CLOEXEC);
        if (file < 0) refuse("a file in memory", errno);
        file_ = unique_descriptor(file);
        grow(size);
    }
    ~shared_memory() {
        if (size_ != 0) ::munmap(data_, size_);
    }
    shared_memory(const shared_memory&) = delete;
    shared_memory& operator=(const shared_memory&) = delete;

    /// Makes at least `size` bytes there for every process, and sees them; data() may move. Throws
    /// limit_error when there is not that much memory. The memory is taken here and now: if it were
    /// taken when first written, to run out of it would be a SIGBUS in the middle of a task.
    void grow(std::size_t size) {
        if (size <= size_) return;
        // At least half as much again, so that gathers of growing sizes cost their sum.
        const std::size_t target = whole_pages(std::max(size, size_ + size_ / 2));
        refuse_more_than_is_free(target - size_);
        int error = 0;
        do {
            error = ::posix_fallocate(file_.get(), 0, static_cast<off_t>(target));
        } while (error == EINTR);
        if (error != 0) refuse(std::to_string(target) + " bytes", error);
        view(target);
    }

    /// Sees `size` bytes of a file that another process has grown to that size.
    void view(std::size_t size) {
        if (size <= size_) return;
        void* const moved =
            size_ == 0 ? ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0)
                       : ::mremap(data_, size_, size, MREMAP_MAYMOVE);
        if (moved == MAP_FAILED) refuse("to map " + std::to_string(size) + " bytes", errno);
        data_ = static_cast<std::byte*>(moved);
        size_ = size;
    }

    [[nodiscard]] std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    static constexpr std::size_t page = 4096;

    static std::size_t whole_pages(std::size_t size) { return (size + page - 1) / page * page; }

    /// The kernel has no limit of its own for files in memory: it would go on until it must kill.
    static void refuse_more_than_is_free(std::size_t bytes) {
        if (bytes < std::size_t{16} << 20U) return;  // Not worth opening a file for.
        const auto kilobytes = detail::number_after("/proc/meminfo", "MemAvailable:");
        if (!kilobytes || *kilobytes * 1024 > bytes) return;
        refuse(std::to_string(bytes) + " more bytes", ENOMEM);
    }

    [[noreturn]] static void refuse(const std::string& what, int error) {
        throw limit_error("no shared memory for the results of tasks: " + what +
                          " refused: " + std::strerror(error));
    }

    unique_descriptor file_;
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

/// Where things of known size and alignment go, one behind another, in one block of bytes.
class memory_layout {
public:
    /// The offset of `count` things of `size` bytes. Throws limit_error when no memory could hold
    /// that many.
    std::size_t add(std::size_t count, std::size_t size, std::size_t alignment) {
        const std::size_t offset = (size_ + alignment - 1) / alignment * alignment;
        std::size_t bytes = 0;
        if (__builtin_mul_overflow(count, size, &bytes) || bytes > largest - offset) {
            throw limit_error("no memory holds the results of " + std::to_string(count) +
                              " tasks, of " + std::to_string(size) + " bytes each");
        }
        size_ = offset + bytes;
        return offset;
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }

private:
    static constexpr std::size_t largest = std::size_t{1} << 47U;  // The user's half on x86-64.
    std::size_t size_ = 0;
};

}  // namespace overlap
