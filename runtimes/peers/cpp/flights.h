/* When tasks were in flight, noted by the tasks themselves in runs that are traced. In others the log
   is NULL, and no clock is read. */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct flight;
struct flight_log;

struct flight* note_start(struct flight_log* log);
void note_end(struct flight* flight);

#ifdef __cplusplus
}
#endif

/* A task starts. Any thread may call it. */
static inline struct flight* take_off(struct flight_log* log) {
    return log != NULL ? note_start(log) : NULL;
}

/* The task ends. */
static inline void land(struct flight* flight) {
    if (flight != NULL) note_end(flight);
}

#ifdef __cplusplus
/* A task that is a function or a coroutine is in flight as long as one of these is in its scope. */
class in_flight {
public:
    explicit in_flight(flight_log* log) : flight_(take_off(log)) {}
    ~in_flight() { land(flight_); }
    in_flight(const in_flight&) = delete;
    in_flight& operator=(const in_flight&) = delete;

private:
    flight* flight_;
};
#endif
