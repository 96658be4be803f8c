/* The workloads on libuv, in C: callbacks on the default loop. Each function does one whole gather
   and returns when its last task has ended; results are as ../cpp/protocol.hpp has them. */
#pragma once

#include "../cpp/cases.h"
#include "../cpp/flights.h"

#ifdef __cplusplus
extern "C" {
#endif

void run_sleeps(const struct sleeps_case* spec, int64_t* late_ns, struct flight_log* log);
void run_gather(const struct gather_case* spec, uint64_t* values, struct flight_log* log);
void run_heartbeat(const struct heartbeat_case* spec, struct pulse* pulses, struct flight_log* log);
void run_mix(const struct mix_case* spec, uint64_t* sums, struct flight_log* log);
void run_cancel(const struct cancel_case* spec, struct cancelled_tasks* seen,
                struct flight_log* log);

/* Returns the port on 127.0.0.1. `backlog` connections wait until they are accepted. */
uint16_t listen_for_echo(int backlog);
/* Each time after listen_for_echo(): closes the listener when all connections are accepted. */
void run_echo(const struct echo_case* spec, uint64_t* echoed, struct flight_log* log);

#ifdef __cplusplus
}
#endif
