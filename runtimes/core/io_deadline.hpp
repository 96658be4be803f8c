// The deadline of one step of I/O.
#pragma once

#include <overlap/core/deadline_queue.hpp>
#include <overlap/core/event_loop.hpp>

namespace overlap {

/// For I/O that may take as long as it likes.
struct no_deadline {
    static void start(operation*) noexcept {}
    static void stop() noexcept {}
    [[nodiscard]] static bool has_come() noexcept { return false; }
};

/// For I/O that the loop is to cancel when its deadline comes. A step that need not wait is done
/// although the deadline has passed.
template <event_loop Loop>
class io_deadline {
public:
    io_deadline(Loop& loop, deadline_queue<Loop>& queue, time_point when) noexcept
        : entry_(loop, queue, when) {}
    io_deadline(const io_deadline&) = delete;
    io_deadline& operator=(const io_deadline&) = delete;
    ~io_deadline() { stop(); }

    /// To be called before `limited` is submitted. Throws std::bad_alloc.
    void start(operation* limited) {
        entry_.limited = limited;
        entry_.queue.add(&entry_, entry_.deadline);
    }
    /// To be called when the operation is submitted no more.
    void stop() noexcept { entry_.queue.remove(&entry_); }
    [[nodiscard]] bool has_come() const noexcept { return entry_.has_come; }

private:
    struct entry : deadline_entry<Loop> {
        entry(Loop& its_loop, deadline_queue<Loop>& its_queue, time_point when) noexcept
            : deadline_entry<Loop>(its_queue, when, &entry::end), loop(its_loop) {}

        static void end(deadline_entry<Loop>& self) {
            auto& here = static_cast<entry&>(self);
            here.loop.cancel(here.limited);
        }

        Loop& loop;
        operation* limited = nullptr;
    };

    entry entry_;
};

}  // namespace overlap
