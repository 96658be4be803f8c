// What the deliberately wrong loops are made of: a right loop behind virtual calls, of which a wrong
// one overrides what it gets wrong.
#pragma once

#include <overlap/core/event_loop.hpp>
#include <overlap/loops/poll.hpp>

#include <cerrno>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace overlap::conformance {

/// A right loop whose insides a wrong one may reach.
struct right_loop : poll_loop {
    using poll_loop::due_;
    using poll_loop::posted_;
    using poll_loop::remote_;
    using poll_loop::timers_;
};

/// Which call submitted an operation.
enum class submitted_by { post, post_remote, call_at, submit };

/// Forwards to a right loop. What a derived class has taken over comes to its completed() before
/// the operation's own `done`.
class wrong_loop {
public:
    wrong_loop() = default;
    wrong_loop(const wrong_loop&) = delete;
    wrong_loop& operator=(const wrong_loop&) = delete;
    /// Gives back what has been taken over, so that its owner may submit it to another loop.
    virtual ~wrong_loop() {
        for (operation* op : taken_over()) give_back(op);
    }

    virtual void post(operation* op) { right_.post(op); }
    virtual void post_remote(operation* op) { right_.post_remote(op); }
    virtual void call_at(timer_operation* op, time_point deadline) { right_.call_at(op, deadline); }
    virtual void submit(io_operation* op) { right_.submit(op); }
    virtual void cancel(operation* op) { right_.cancel(op); }
    virtual void run() { right_.run(); }
    virtual void stop() { right_.stop(); }

    [[nodiscard]] time_point now() const noexcept { return right_.now(); }

protected:
    /// Calls completed(op, by) in place of the operation's own `done`. Any thread.
    void take_over(operation* op, submitted_by by) {
        const std::scoped_lock lock(mutex_);
        registry_[op] = {.owner = this, .done = op->done, .by = by};
        op->done = &intercept;
    }

    /// What has been taken over and has not completed.
    [[nodiscard]] std::vector<operation*> taken_over() const {
        const std::scoped_lock lock(mutex_);
        std::vector<operation*> mine;
        for (const auto& [op, entry] : registry_) {
            if (entry.owner == this) mine.push_back(op);
        }
        return mine;
    }
    [[nodiscard]] static bool is_taken_over(operation* op) {
        const std::scoped_lock lock(mutex_);
        return registry_.contains(op);
    }

    /// The operation's own `done` is in place again. Returns which call had submitted it.
    static submitted_by give_back(operation* op) { return extract(op).by; }

    virtual void completed(operation* op, submitted_by) noexcept { op->done(op); }

    /// Runs `op` from inside run(), with this result.
    void complete_later(operation* op, int result) {
        op->result = result;
        right_.due_.push(op);
    }

    /// Calls the `done` of `op` from inside run(), once more than it was submitted.
    void complete_again(operation* op) { right_.post(new encore(op)); }

    right_loop right_;

private:
    struct taken {
        wrong_loop* owner;
        void (*done)(operation*) noexcept;
        submitted_by by;
    };

    struct encore : operation {
        explicit encore(operation* again) : operation(&play), target(again) {}
        static void play(operation* self) noexcept {
            const std::unique_ptr<encore> own(static_cast<encore*>(self));
            own->target->done(own->target);
        }
        operation* target;
    };

    static taken extract(operation* op) {
        const std::scoped_lock lock(mutex_);
        const taken entry = registry_.extract(op).mapped();
        op->done = entry.done;
        return entry;
    }

    static void intercept(operation* op) noexcept {
        const taken entry = extract(op);
        entry.owner->completed(op, entry.by);
    }

    // A `done` knows its operation and nothing else.
    static inline std::mutex mutex_;
    static inline std::unordered_map<operation*, taken> registry_;
};

/// Knows the operation whose `done` is running, among those taken over.
class knows_what_runs : public wrong_loop {
protected:
    [[nodiscard]] bool is_running(const operation* op) const noexcept { return op == running_; }

private:
    void completed(operation* op, submitted_by) noexcept override {
        running_ = op;
        op->done(op);
        running_ = nullptr;
    }

    const operation* running_ = nullptr;
};

/// Looks at what `Watching` takes over once more when its `done` has returned.
template <class Watching>
class touches_after_done : public Watching {
    void completed(operation* op, submitted_by) noexcept override {
        op->done(op);
        [[maybe_unused]] const volatile int seen = static_cast<volatile operation*>(op)->result;
    }
};

/// Completes what `Watching` has taken over when it is destroyed.
template <class Watching>
class completes_when_destroyed : public Watching {
public:
    ~completes_when_destroyed() override {
        for (operation* op : this->taken_over()) {
            this->give_back(op);
            op->result = -ECANCELED;
            op->done(op);
        }
    }
};

/// The wrong loop that is being judged, chosen at run time, so that rules are compiled only once.
class chosen_loop {
public:
    static inline std::unique_ptr<wrong_loop> (*make)() = nullptr;

    static constexpr std::string_view name() { return "wrong"; }
    static availability available() noexcept { return {}; }

    [[nodiscard]] time_point now() const noexcept { return loop_->now(); }
    void post(operation* op) { loop_->post(op); }
    void post_remote(operation* op) { loop_->post_remote(op); }
    void call_at(timer_operation* op, time_point deadline) { loop_->call_at(op, deadline); }
    void submit(io_operation* op) { loop_->submit(op); }
    void cancel(operation* op) { loop_->cancel(op); }
    void run() { loop_->run(); }
    void stop() { loop_->stop(); }

private:
    std::unique_ptr<wrong_loop> loop_ = make();
};

static_assert(event_loop<chosen_loop>);

}  // namespace overlap::conformance
