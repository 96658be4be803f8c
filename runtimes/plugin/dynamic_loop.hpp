// The other way round from table_of.hpp: a C table as a model of event_loop.
#pragma once

#include <overlap/plugin/table_of.hpp>

#include <cstddef>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

namespace overlap {

/// A loop could not be made, or gave up in run(). what() is its own reason.
class loop_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Loops whose calls go through `Table`, a variable that must hold a sound table before the first use
/// (see load_loop()). Chosen at run time, a loop is still an ordinary model of event_loop:
///
///     overlap_loop_table chosen;                       // of static storage
///     using my_loop = overlap::dynamic_loop<chosen>;
///     chosen = overlap::load_loop("./libmy.so");
template <const overlap_loop_table& Table>
class dynamic_loop {
public:
    static std::string_view name() { return Table.name; }

    static availability available() noexcept {
        reason_buffer reason;
        if (Table.available(reason.data(), reason.size()) == 0) return {};
        return {words(reason)};
    }

    /// Throws loop_error with the loop's reason.
    dynamic_loop() {
        reason_buffer reason;
        loop_ = Table.create(reason.data(), reason.size());
        if (loop_ == nullptr) throw loop_error(words(reason));
    }
    dynamic_loop(const dynamic_loop&) = delete;
    dynamic_loop& operator=(const dynamic_loop&) = delete;
    ~dynamic_loop() { Table.destroy(loop_); }

    [[nodiscard]] time_point now() const noexcept { return detail::time_of(Table.now(loop_)); }

    void post(operation* op) noexcept { Table.post(loop_, of(op)); }

    void post_remote(operation* op) noexcept { Table.post_remote(loop_, of(op)); }

    void call_at(timer_operation* op, time_point deadline) {
        check_memory(Table.call_at(loop_, reinterpret_cast<overlap_timer*>(op),
                                   detail::nanoseconds_of(deadline)));
    }

    void submit(io_operation* op) {
        check_memory(Table.submit(loop_, reinterpret_cast<overlap_io*>(op)));
    }

    void cancel(operation* op) { check_memory(Table.cancel(loop_, of(op))); }

    /// Throws loop_error with the loop's reason when it gives up.
    void run() {
        reason_buffer reason;
        if (Table.run(loop_, reason.data(), reason.size()) != 0) throw loop_error(words(reason));
    }

    void stop() noexcept { Table.stop(loop_); }

private:
    /// Its bytes are left as they are, since clearing them costs more than a call.
    struct reason_buffer {
        reason_buffer() noexcept { bytes[0] = '\0'; }
        char* data() noexcept { return bytes; }
        static std::size_t size() noexcept { return sizeof bytes; }

        char bytes[512];
    };

    static std::string words(const reason_buffer& reason) {
        const std::string_view all = reason.bytes;
        return all.empty() ? "it gave no reason" : std::string(all.substr(0, all.find('\n')));
    }

    static overlap_operation* of(operation* op) noexcept {
        return reinterpret_cast<overlap_operation*>(op);
    }

    static void check_memory(int result) {
        if (result != 0) throw std::bad_alloc();
    }

    void* loop_;
};

}  // namespace overlap
