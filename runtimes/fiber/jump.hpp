// The switch itself: from one stack to another, by Boost.Context or, on x86-64, without what that
// spends most of its time on.
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <cstdint>
#include <new>

namespace overlap::fibers {

/// What arrives with control: where the other side now stands, and its message.
using arrival = boost::context::detail::transfer_t;
/// A flow of control that stands still: the top of its stack, with its registers on it.
using standpoint = boost::context::detail::fcontext_t;

/// A switch on any machine that Boost.Context knows. On x86-64 it also saves and loads the control
/// words of the two floating-point units, which takes most of its 5 ns on a processor of 2024.
struct boost_jump {
    /// Leaves this stack for `to`. Returns when somebody jumps to where this call left.
    static arrival to(standpoint to, void* message) noexcept {
        return boost::context::detail::jump_fcontext(to, message);
    }

    /// Where `enter` begins on a stack of `size` bytes below `top`. `enter` must not return.
    static standpoint make(void* top, std::size_t size, void (*enter)(arrival) noexcept) noexcept {
        return boost::context::detail::make_fcontext(top, size, enter);
    }
};

#if defined(__x86_64__) && defined(__ELF__)
/// The same with the registers that a called function must preserve (System V ABI, AMD64, section
/// 3.2.3), but for the floating-point control words: those stay the thread's. A task that changes
/// how numbers are rounded must change it back before it waits.
struct light_jump {
    [[gnu::naked, gnu::noinline]] static arrival to(standpoint, void*) noexcept {
        // An arrival is passed in rdi and rsi and returned in rax and rdx. The return address is
        // jumped to, since the processor's prediction of a return belongs to the other stack.
        asm("popq %r8\n\t"
            "pushq %rbp\n\t"
            "pushq %rbx\n\t"
            "pushq %r12\n\t"
            "pushq %r13\n\t"
            "pushq %r14\n\t"
            "pushq %r15\n\t"
            "pushq %r8\n\t"
            "movq %rsp, %rax\n\t"
            "movq %rdi, %rsp\n\t"
            "movq %rax, %rdi\n\t"
            "movq %rsi, %rdx\n\t"
            "popq %r8\n\t"
            "popq %r15\n\t"
            "popq %r14\n\t"
            "popq %r13\n\t"
            "popq %r12\n\t"
            "popq %rbx\n\t"
            "popq %rbp\n\t"
            "jmpq *%r8");
    }

    static standpoint make(void* top, std::size_t, void (*enter)(arrival) noexcept) noexcept {
        struct frame {
            void (*address)(arrival) noexcept;
            std::uintptr_t preserved[6];
            std::uintptr_t return_address;  // 0 ends a backtrace.
        };
        static_assert(sizeof(frame) % 16 == 0);  // So `enter` finds its stack as a call leaves it.
        const auto aligned = reinterpret_cast<std::uintptr_t>(top) / 16 * 16;
        return ::new (reinterpret_cast<void*>(aligned - sizeof(frame))) frame{enter, {}, 0};
    }
};
using fastest_jump = light_jump;
#else
using fastest_jump = boost_jump;
#endif

}  // namespace overlap::fibers
