// An exception on its way from the process that threw it to the one that waits.
#pragma once

#include <overlap/core/runtime.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace overlap {

/// How far the task of one index has come, in shared memory.
enum class task_state : unsigned char { waiting, returned, threw, lost };

/// What a task threw, in a form that can be copied byte by byte: what() (its first 471 bytes) and
/// which of a few known types it was. std::system_error keeps its errno; limit_error, worker_died
/// and std::bad_alloc keep their types; anything else arrives as std::runtime_error.
class task_failure {
public:
    static constexpr std::size_t no_task = unlimited;

    [[nodiscard]] std::size_t index() const noexcept { return index_; }
    void clear() noexcept { index_ = no_task; }

    /// Takes the exception that is being handled as what task `index` threw. The index is written
    /// last, so that a process killed in here leaves no failure with half a text.
    void record(std::size_t index) noexcept {
        index_ = no_task;
        std::atomic_signal_fence(std::memory_order_seq_cst);
        try {
            throw;
        } catch (const std::system_error& error) {
            keep_system_error(error);
        } catch (const limit_error& error) {
            keep(kind::limit, error.what());
        } catch (const worker_died& error) {
            keep(kind::died, error.what());
        } catch (const std::bad_alloc& error) {
            keep(kind::memory, error.what());
        } catch (const std::exception& error) {
            keep(kind::other, error.what());
        } catch (...) {
            keep(kind::other, "a task threw something that is not a std::exception");
        }
        std::atomic_signal_fence(std::memory_order_seq_cst);
        index_ = index;
    }

    [[noreturn]] void rethrow() const {
        switch (kind_) {
        case kind::generic_error:
            throw std::system_error(code_, std::generic_category(), text_);
        case kind::system_error:
            throw std::system_error(code_, std::system_category(), text_);
        case kind::limit:
            throw limit_error(text_);
        case kind::died:
            throw worker_died(text_);
        case kind::memory:
            throw std::bad_alloc();
        case kind::other:
            break;
        }
        throw std::runtime_error(text_);
    }

private:
    enum class kind : int { other, generic_error, system_error, limit, died, memory };

    void keep(kind what, std::string_view text) noexcept {
        kind_ = what;
        const std::size_t length = std::min(text.size(), sizeof text_ - 1);
        std::memcpy(text_, text.data(), length);
        text_[length] = '\0';
    }

    /// Its what() is "text: message of the code", and will be again when it is thrown anew.
    void keep_system_error(const std::system_error& error) noexcept {
        const bool generic = error.code().category() == std::generic_category();
        if (!generic && error.code().category() != std::system_category()) {
            return keep(kind::other, error.what());
        }
        std::string_view text = error.what();
        try {
            const std::string message = error.code().message();
            if (text.ends_with(message)) text.remove_suffix(message.size());
            if (text.ends_with(": ")) text.remove_suffix(2);
        } catch (const std::bad_alloc&) {  // The message then stands there twice.
        }
        code_ = error.code().value();
        keep(generic ? kind::generic_error : kind::system_error, text);
    }

    std::size_t index_ = no_task;
    kind kind_ = kind::other;
    int code_ = 0;
    char text_[472] = {};
};

}  // namespace overlap
