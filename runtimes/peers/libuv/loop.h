/* What all workloads on libuv need of its loop. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* Calls back once, at the deadline, after it, or up to a millisecond before it: who is called early
   has to start the timer again. Both times are in nanoseconds of uv_hrtime(). */
void start_timer(uv_timer_t* timer, uv_timer_cb callback, uint64_t now_ns, uint64_t deadline_ns);

/* Has the loop run until nothing is left to be done. */
void run_loop(void);

/* Ends the program if there is no memory. To be freed with free(). */
void* allocate(size_t count, size_t size);

/* Ends the program if `status` is one of libuv's errors. */
void check(int status, const char* what);
