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

/* A task that is a function or a coroutine is in flight as long as one of these is in its scope. Any
   thread may make one. */
class in_flight {
public:
    explicit in_flight(flight_log* log) : flight_(log != nullptr ? note_start(log) : nullptr) {}
    ~in_flight() {
        if (flight_ != nullptr) note_end(flight_);
    }
    in_flight(const in_flight&) = delete;
    in_flight& operator=(const in_flight&) = delete;

private:
    flight* flight_;
};

#else

/* A task starts. */
static inline struct flight* take_off(struct flight_log* log) {
    return log != NULL ? note_start(log) : NULL;
}

/* The task ends. */
static inline void land(struct flight* flight) {
    if (flight != NULL) note_end(flight);
}

#endif
