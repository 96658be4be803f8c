/* The cancel workload: timers that are closed before they fire. A handle's end is its close callback, and
   UV_ECANCELED is what libuv tells whoever waits for something that was cancelled. */
#include "loop.h"
#include "peer.h"

#include <stdlib.h>

struct sleeper {
    uv_timer_t timer;
    struct flight* flight;
};

/* The task that gathers the sleepers, and whoever cancels it and waits for it. */
struct background {
    uv_timer_t start; /* Fires when all have begun. */
    struct sleeper* sleepers;
    size_t tasks;
    size_t ended;
    uint64_t cancelled_ns;
    struct cancelled_tasks* seen;
};

static const uint64_t long_ms = 3600000;

static void on_joined(struct background* self, int status) {
    self->seen->told = status == UV_ECANCELED;
    self->seen->took_ns = (int64_t)(uv_hrtime() - self->cancelled_ns);
}

static void on_closed(uv_handle_t* handle) {
    struct background* self = handle->data;
    land(((struct sleeper*)handle)->flight);
    ++self->seen->cleaned_up;
    if (++self->ended == self->tasks) on_joined(self, UV_ECANCELED);
}

static void on_wake(uv_timer_t* timer) {
    struct background* self = timer->data;
    ++self->seen->woken;
    uv_close((uv_handle_t*)timer, on_closed);
}

static void cancel_all(uv_timer_t* start) {
    struct background* self = start->data;
    uv_close((uv_handle_t*)start, NULL);
    self->cancelled_ns = uv_hrtime();
    for (size_t i = 0; i < self->tasks; ++i) {
        uv_handle_t* handle = (uv_handle_t*)&self->sleepers[i].timer;
        if (!uv_is_closing(handle)) uv_close(handle, on_closed);
    }
}

void run_cancel(const struct cancel_case* spec, struct cancelled_tasks* seen,
                struct flight_log* log) {
    uv_loop_t* loop = uv_default_loop();
    struct background self = {.tasks = spec->tasks, .seen = seen};
    self.sleepers = allocate(spec->tasks, sizeof *self.sleepers);
    for (size_t i = 0; i < spec->tasks; ++i) {
        struct sleeper* sleeper = &self.sleepers[i];
        sleeper->flight = take_off(log);
        check(uv_timer_init(loop, &sleeper->timer), "uv_timer_init");
        sleeper->timer.data = &self;
        check(uv_timer_start(&sleeper->timer, on_wake, long_ms, 0), "uv_timer_start");
    }
    check(uv_timer_init(loop, &self.start), "uv_timer_init");
    self.start.data = &self;
    check(uv_timer_start(&self.start, cancel_all, 0, 0), "uv_timer_start");
    run_loop();
    free(self.sleepers);
}
