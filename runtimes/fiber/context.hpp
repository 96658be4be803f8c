// A flow of control with a stack of its own.
//
// Switching is asymmetric, as with coroutines: whoever resumes a context gets control back when the
// context suspends or ends. Beside registers, which Boost.Context takes care of, a switch exchanges what the C++
// runtime keeps for each thread about exceptions, so that a context may suspend inside a catch
// block or while a destructor runs during unwinding.
#pragma once

#include <overlap/fiber/sanitizer_marks.hpp>

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <cstring>
#include <cxxabi.h>

namespace overlap::fibers {

/// The exceptions being handled and thrown, which the C++ runtime keeps for each thread: a copy of
/// its __cxa_eh_globals, a pointer and a counter (Itanium C++ ABI: exception handling, 2.2.2).
class exception_state {
public:
    /// Swaps with what `kept` points to, the C++ runtime's own.
    void exchange_with(void* kept) noexcept {
        const exception_state mine = *this;
        std::memcpy(bytes_, kept, sizeof bytes_);
        std::memcpy(kept, mine.bytes_, sizeof bytes_);
    }

private:
    alignas(void*) std::byte bytes_[2 * sizeof(void*)]{};
};

/// Made at the top of the stack that it runs on; belongs to the thread that made it. Destroying a
/// suspended context unwinds nothing: what lives on its stack is forgotten.
class context {
public:
    /// Runs in the context, and calls end() where another function would return.
    using body = void (*)(context& self) noexcept;

    /// Runs `start` until it first suspends. The stack reaches from `limit` up to this object.
    context(std::byte* limit, body start) noexcept : limit_(limit) {
        other_ = boost::context::detail::make_fcontext(this, stack_size(), &enter);
        first_message first{this, start};
        resume(&first);
    }
    context(const context&) = delete;
    context& operator=(const context&) = delete;
    ~context() = default;

    /// Runs the context, which must be suspended, until it suspends again or ends. Returns the
    /// message that it gave.
    void* resume(void* message) noexcept {
        exceptions_.exchange_with(of_thread_);
        marks_.before_resume(limit_, stack_size());
        const auto back = boost::context::detail::jump_fcontext(other_, message);
        marks_.after_return();
        other_ = back.fctx;
        exceptions_.exchange_with(of_thread_);
        return back.data;
    }

    /// Called in the context: gives control and a message to the resumer. Returns the message of
    /// the next resume().
    void* suspend(void* message) noexcept {
        marks_.before_suspend();
        const auto from = boost::context::detail::jump_fcontext(other_, message);
        marks_.after_arrival();
        other_ = from.fctx;
        return from.data;
    }

    /// Called in the context: suspends it for good.
    [[noreturn]] void end() noexcept {
        marks_.before_end();
        boost::context::detail::jump_fcontext(other_, nullptr);
        __builtin_unreachable();
    }

private:
    struct first_message {
        context* self;
        body start;
    };

    static void enter(boost::context::detail::transfer_t from) noexcept {
        const first_message first = *static_cast<first_message*>(from.data);
        first.self->marks_.after_arrival();
        first.self->other_ = from.fctx;
        first.start(*first.self);
    }

    [[nodiscard]] std::size_t stack_size() const noexcept {
        return static_cast<std::size_t>(reinterpret_cast<const std::byte*>(this) - limit_);
    }

    boost::context::detail::fcontext_t other_ = nullptr;  // The side that is not running ...
    exception_state exceptions_;                          // ... and its exceptions.
    void* of_thread_ = abi::__cxa_get_globals();
    std::byte* limit_;
    [[no_unique_address]] switch_marks<address_sanitizer, thread_sanitizer> marks_;
};

}  // namespace overlap::fibers
