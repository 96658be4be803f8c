// What the sanitizers must be told about a switch of stacks. They cannot see one: AddressSanitizer
// keeps the bounds of the current stack, ThreadSanitizer a history for each flow of control.
//
// Debian's Boost.Context is built without its own annotations (BOOST_USE_ASAN does not link), so
// they are made here. Source: sanitizer/common_interface_defs.h and sanitizer/tsan_interface.h,
// declared again because not every compiler comes with those headers.
#pragma once

#include <overlap/core/sanitizers.hpp>

#include <cstddef>

extern "C" {
void __sanitizer_start_switch_fiber(void** fake_stack_save, const void* bottom, std::size_t size);
void __sanitizer_finish_switch_fiber(void* fake_stack_save, const void** bottom_old,
                                     std::size_t* size_old);
void __asan_unpoison_memory_region(const volatile void* address, std::size_t size);
void* __tsan_get_current_fiber(void);
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
}

namespace overlap::fibers {

/// The marks of one context, when no sanitizer wants to know. On the resumer's stack before_resume
/// and after_return surround the jump; on the context's own, before_suspend (before_end if it is
/// the last) and after_arrival.
template <bool Address, bool Thread>
class switch_marks {
public:
    void before_resume(const void*, std::size_t) noexcept {}
    void after_return() noexcept {}
    void after_arrival() noexcept {}
    void before_suspend() noexcept {}
    void before_end() noexcept {}
};

/// For AddressSanitizer. A fake stack is where it keeps locals to find their use after return.
template <>
class switch_marks<true, false> {
public:
    void before_resume(const void* limit, std::size_t size) noexcept {
        __sanitizer_start_switch_fiber(&resumer_fake_stack_, limit, size);
    }
    void after_return() noexcept {
        __sanitizer_finish_switch_fiber(resumer_fake_stack_, nullptr, nullptr);
    }
    void after_arrival() noexcept {
        __sanitizer_finish_switch_fiber(fake_stack_, &resumer_limit_, &resumer_size_);
    }
    void before_suspend() noexcept {
        __sanitizer_start_switch_fiber(&fake_stack_, resumer_limit_, resumer_size_);
    }
    void before_end() noexcept {
        __sanitizer_start_switch_fiber(nullptr, resumer_limit_, resumer_size_);
    }

private:
    void* fake_stack_ = nullptr;
    void* resumer_fake_stack_ = nullptr;
    const void* resumer_limit_ = nullptr;
    std::size_t resumer_size_ = 0;
};

/// For ThreadSanitizer, which has room for about 8,000 of them. It also follows calls and returns, on
/// whichever side it has last been told of: so these must not be calls.
template <>
class switch_marks<false, true> {
public:
    switch_marks() noexcept : fiber_(__tsan_create_fiber(0)) {}
    switch_marks(const switch_marks&) = delete;
    switch_marks& operator=(const switch_marks&) = delete;
    ~switch_marks() { __tsan_destroy_fiber(fiber_); }

    [[gnu::always_inline]] void before_resume(const void*, std::size_t) noexcept {
        resumer_ = __tsan_get_current_fiber();
        __tsan_switch_to_fiber(fiber_, 0);
    }
    void after_return() noexcept {}
    void after_arrival() noexcept {}
    [[gnu::always_inline]] void before_suspend() noexcept { __tsan_switch_to_fiber(resumer_, 0); }
    [[gnu::always_inline]] void before_end() noexcept { before_suspend(); }

private:
    void* fiber_;
    void* resumer_ = nullptr;
};

/// Shadow memory outlives a mapping: whoever is given these addresses next must find it clean.
inline void forget_shadow(const void* memory, std::size_t size) noexcept {
    if constexpr (address_sanitizer) __asan_unpoison_memory_region(memory, size);
}

}  // namespace overlap::fibers
