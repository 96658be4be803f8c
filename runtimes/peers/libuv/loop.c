#include "loop.h"

#include <stdio.h>
#include <stdlib.h>

/* libuv counts whole milliseconds, from its own clock, which it reads once a turn and rounds down. A
   deadline rounded as that clock is may come a fraction of a millisecond early; then one more is
   asked for. One that is due already is called back after all others that are. */
void start_timer(uv_timer_t* timer, uv_timer_cb callback, uint64_t now_ns, uint64_t deadline_ns) {
    uint64_t timeout = 0;
    if (deadline_ns > now_ns) {
        const uint64_t deadline_ms = deadline_ns / 1000000;
        const uint64_t now_ms = uv_now(timer->loop);
        timeout = deadline_ms > now_ms ? deadline_ms - now_ms : 1;
    }
    check(uv_timer_start(timer, callback, timeout, 0), "uv_timer_start");
}

void run_loop(void) { uv_run(uv_default_loop(), UV_RUN_DEFAULT); }

void* allocate(size_t count, size_t size) {
    void* memory = calloc(count, size);
    if (memory == NULL) check(UV_ENOMEM, "calloc");
    return memory;
}

void check(int status, const char* what) {
    if (status >= 0) return;
    fprintf(stderr, "%s: %s\n", what, uv_strerror(status));
    exit(EXIT_FAILURE);
}
