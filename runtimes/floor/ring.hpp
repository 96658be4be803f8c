// An io_uring for one thread, and the buffers that it receives into.
#pragma once

#include <overlap/core/error.hpp>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <liburing.h>
#include <memory>
#include <new>
#include <vector>

namespace overlap::floor {

/// Made, used and destroyed on one thread. Needs Linux 6.1; where the kernel is older or forbids
/// io_uring the constructor throws a std::system_error that says so.
class ring {
public:
    /// `in_flight` is about how many completions may be waiting at once.
    explicit ring(unsigned in_flight) {
        io_uring_params parameters{};
        // Completions are gathered when this thread asks for them and at no other time.
        parameters.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                           IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
        parameters.cq_entries = std::max(in_flight, 16U);
        const unsigned submissions = std::clamp(in_flight, 8U, 1024U);
        const int error = ::io_uring_queue_init_params(submissions, &ring_, &parameters);
        if (error < 0) throw_errno(-error, "io_uring_setup (needs Linux 6.1 and leave to use it)");
        ::io_uring_register_ring_fd(&ring_);  // saves a look-up a call; without it all still works
    }
    ring(const ring&) = delete;
    ring& operator=(const ring&) = delete;
    ~ring() { ::io_uring_queue_exit(&ring_); }

    [[nodiscard]] io_uring* get() noexcept { return &ring_; }

    /// An entry to fill in. It is submitted by the next submit_and_wait(), or earlier if the queue
    /// is full.
    io_uring_sqe& next_submission() {
        io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
        while (entry == nullptr) {
            check(::io_uring_submit(&ring_));
            entry = ::io_uring_get_sqe(&ring_);
        }
        return *entry;
    }

    /// Returns when there is at least one completion, or after a signal.
    void submit_and_wait() { check(::io_uring_submit_and_wait(&ring_, 1)); }

private:
    static void check(int result) {
        if (result < 0 && result != -EINTR) throw_errno(-result, "io_uring_enter");
    }

    io_uring ring_{};
};

/// Buffers that the kernel picks from when bytes arrive (a provided buffer ring, group 0). They
/// must outlive every receive that picks from them, so declare them before what owns those.
class receive_buffers {
public:
    /// At least `count` buffers (a power of two, at most 1,024) of `size` bytes each.
    receive_buffers(ring& owner, std::size_t count, std::size_t size)
        : count_(std::bit_ceil(std::clamp<std::size_t>(count, 2, 1024))), size_(size),
          bytes_(count_ * size), entries_(allocate(count_ * sizeof(io_uring_buf))) {
        ::io_uring_buf_ring_init(entries_.get());
        io_uring_buf_reg registration{};
        registration.ring_addr = reinterpret_cast<std::uintptr_t>(entries_.get());
        registration.ring_entries = static_cast<std::uint32_t>(count_);
        const int error = ::io_uring_register_buf_ring(owner.get(), &registration, 0);
        if (error < 0) throw_errno(-error, "io_uring_register(PBUF_RING)");
        for (std::size_t i = 0; i < count_; ++i) give_back(i);
    }

    [[nodiscard]] const std::byte* data(std::size_t index) const noexcept {
        return bytes_.data() + index * size_;
    }

    /// Lets the kernel pick buffer `index` again.
    void give_back(std::size_t index) noexcept {
        ::io_uring_buf_ring_add(entries_.get(), bytes_.data() + index * size_,
                                static_cast<unsigned>(size_), static_cast<std::uint16_t>(index),
                                ::io_uring_buf_ring_mask(static_cast<std::uint32_t>(count_)), 0);
        ::io_uring_buf_ring_advance(entries_.get(), 1);
    }

private:
    using entry_ring = std::unique_ptr<io_uring_buf_ring, decltype(&std::free)>;

    static entry_ring allocate(std::size_t size) {
        constexpr std::size_t page = 4096;
        void* memory = std::aligned_alloc(page, (size + page - 1) / page * page);
        if (memory == nullptr) throw std::bad_alloc();
        return {static_cast<io_uring_buf_ring*>(memory), &std::free};
    }

    std::size_t count_;
    std::size_t size_;
    std::vector<std::byte> bytes_;
    entry_ring entries_;
};

}  // namespace overlap::floor
