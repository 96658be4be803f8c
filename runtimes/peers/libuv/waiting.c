/* Sleeps, heartbeat and mix. A task that waits is a uv_timer_t and what it needs besides; one that
   computes in parts is a uv_idle_t, as libuv's guide has it: the loop calls it once each time it
   comes round. The loop runs until all of them are closed. */
#include "loop.h"
#include "peer.h"

#include <stdlib.h>

/* A callback that takes a millisecond or more has to have the loop look at the clock again
   (uv_update_time in libuv's documentation): how long it then waits for the next timer is counted
   from when it last did. */
static uint64_t compute(uv_loop_t* loop, uint32_t state, uint32_t work) {
    const uint64_t value = leaf_value(state, work);
    uv_update_time(loop);
    return value;
}

/* ---- sleeps ---- */

struct sleeper {
    uv_timer_t timer;
    uint64_t deadline_ns;
    int64_t* late_ns;
    struct flight* flight;
};

static void on_wake(uv_timer_t* timer) {
    struct sleeper* self = (struct sleeper*)timer;
    const uint64_t now = uv_hrtime();
    *self->late_ns = (int64_t)(now - self->deadline_ns);
    if (*self->late_ns < 0) { /* Too early: see start_timer. */
        start_timer(timer, on_wake, now, self->deadline_ns);
        return;
    }
    land(self->flight);
    uv_close((uv_handle_t*)timer, NULL);
}

void run_sleeps(const struct sleeps_case* spec, int64_t* late_ns, struct flight_log* log) {
    struct sleeper* sleepers = allocate(spec->tasks, sizeof *sleepers);
    for (size_t i = 0; i < spec->tasks; ++i) {
        struct sleeper* self = &sleepers[i];
        self->flight = take_off(log);
        self->late_ns = &late_ns[i];
        const uint64_t now = uv_hrtime();
        self->deadline_ns = now + (uint64_t)delay_ns(spec, i);
        check(uv_timer_init(uv_default_loop(), &self->timer), "uv_timer_init");
        start_timer(&self->timer, on_wake, now, self->deadline_ns);
    }
    run_loop();
    free(sleepers);
}

/* ---- heartbeat ---- */

struct heart {
    uv_timer_t timer;
    const struct heartbeat_case* spec;
    struct pulse* pulse;
    uint64_t first_ns;
    uint64_t last_ns;
    size_t beats;
    struct flight* flight;
};

static void on_beat(uv_timer_t* timer) {
    struct heart* self = (struct heart*)timer;
    const struct heartbeat_case* spec = self->spec;
    const uint64_t now = uv_hrtime();
    const int64_t gap = (int64_t)(now - self->last_ns);
    if (gap >= spec->interval_ns) {
        if (gap > self->pulse->longest_gap_ns) self->pulse->longest_gap_ns = gap;
        self->last_ns = now;
        ++self->beats;
    }
    if (self->beats < spec->beats) {
        start_timer(timer, on_beat, now, self->last_ns + (uint64_t)spec->interval_ns);
        return;
    }
    self->pulse->mean_gap_ns = (int64_t)((now - self->first_ns) / spec->beats);
    land(self->flight);
    uv_close((uv_handle_t*)timer, NULL);
}

static void start_heart(struct heart* self, const struct heartbeat_case* spec, struct pulse* pulse,
                        struct flight_log* log) {
    *self = (struct heart){.spec = spec, .pulse = pulse, .flight = take_off(log)};
    pulse->longest_gap_ns = 0;
    self->first_ns = self->last_ns = uv_hrtime();
    check(uv_timer_init(uv_default_loop(), &self->timer), "uv_timer_init");
    start_timer(&self->timer, on_beat, self->first_ns,
                self->first_ns + (uint64_t)spec->interval_ns);
}

struct computer {
    uv_idle_t idle;
    const struct heartbeat_case* spec;
    uint64_t* value;
    uint32_t next_state;
    size_t parts;
    struct flight* flight;
};

static void compute_part(uv_idle_t* idle) {
    struct computer* self = (struct computer*)idle;
    *self->value += compute(idle->loop, self->next_state++, self->spec->work);
    if (++self->parts < self->spec->parts) return;
    land(self->flight);
    uv_close((uv_handle_t*)idle, NULL);
}

void run_heartbeat(const struct heartbeat_case* spec, struct pulse* pulses,
                   struct flight_log* log) {
    struct heart heart;
    struct computer* computers = allocate(spec->tasks, sizeof *computers);
    start_heart(&heart, spec, &pulses[0], log);
    for (size_t i = 0; i < spec->tasks; ++i) {
        pulses[i + 1].value = 0;
        struct computer* self = &computers[i];
        self->flight = take_off(log);
        self->spec = spec;
        self->value = &pulses[i + 1].value;
        self->next_state = leaf_state(spec->seed, i * spec->parts);
        check(uv_idle_init(uv_default_loop(), &self->idle), "uv_idle_init");
        check(uv_idle_start(&self->idle, compute_part), "uv_idle_start");
    }
    run_loop();
    free(computers);
}

/* ---- mix ---- */

struct mixer {
    uv_timer_t timer;
    const struct mix_case* spec;
    uint64_t deadline_ns;
    uint64_t* sum;
    uint32_t next_state;
    size_t rounds;
    struct flight* flight;
};

static void on_waited(uv_timer_t* timer);

static void wait_once(struct mixer* self) {
    const uint64_t now = uv_hrtime();
    self->deadline_ns = now + (uint64_t)self->spec->wait_ns;
    start_timer(&self->timer, on_waited, now, self->deadline_ns);
}

static void on_waited(uv_timer_t* timer) {
    struct mixer* self = (struct mixer*)timer;
    const uint64_t now = uv_hrtime();
    if (now < self->deadline_ns) {
        start_timer(timer, on_waited, now, self->deadline_ns);
        return;
    }
    *self->sum += compute(timer->loop, self->next_state++, self->spec->work);
    if (++self->rounds < self->spec->rounds) {
        wait_once(self);
        return;
    }
    land(self->flight);
    uv_close((uv_handle_t*)timer, NULL);
}

void run_mix(const struct mix_case* spec, uint64_t* sums, struct flight_log* log) {
    struct mixer* mixers = allocate(spec->tasks, sizeof *mixers);
    for (size_t i = 0; i < spec->tasks; ++i) {
        struct mixer* self = &mixers[i];
        sums[i] = 0;
        self->flight = take_off(log);
        self->spec = spec;
        self->sum = &sums[i];
        self->next_state = leaf_state(spec->seed, i * spec->rounds);
        check(uv_timer_init(uv_default_loop(), &self->timer), "uv_timer_init");
        wait_once(self);
    }
    run_loop();
    free(mixers);
}
