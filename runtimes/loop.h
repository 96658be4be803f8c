/* An event loop as a table of C functions, so that one can be written in C, Rust, Zig or any other
 * language that keeps to the C ABI, and chosen when a program starts:
 *
 *     bench_echo --loop=./libmy.so
 *
 * The contract, sentence by sentence, is at the head of overlap/core/event_loop.hpp; this header says
 * only how its calls look in C. In short: an operation is owned by the waiter and submitted to the loop
 * until the loop calls its `done`, exactly once, on the thread that is in run(), and never from inside
 * the call that submitted it. After that the loop does not touch it again.
 *
 * A loop is made, used and destroyed on one thread; only post_remote may be called from others. No
 * exception, panic or longjmp may leave a function of the table.
 */
#ifndef OVERLAP_LOOP_H
#define OVERLAP_LOOP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of everything in this header. It grows by one with each change that an older plug-in or program
 * would misread. */
#define OVERLAP_LOOP_VERSION 1u

/* What an operation asks for. */
enum overlap_operation_kind {
    OVERLAP_POST = 0,    /* run `done` soon; `result` is left as the waiter set it */
    OVERLAP_TIMER = 1,   /* an overlap_timer: completes with 0 at or after its deadline */
    OVERLAP_ACCEPT = 2,  /* result: the new connection's descriptor, non-blocking, close-on-exec */
    OVERLAP_CONNECT = 3, /* `data` and `size` are a sockaddr; result: 0 */
    OVERLAP_READ = 4,    /* at most `size` bytes into `data`; result: how many, 0 at end of file */
    OVERLAP_WRITE = 5,   /* at most `size` bytes from `data`; result: how many, perhaps fewer */
    OVERLAP_CLOSE = 6    /* nothing else waits on the descriptor; result: 0 */
};

/* One suspended step. */
typedef struct overlap_operation overlap_operation;
struct overlap_operation {
    void (*done)(overlap_operation* self); /* the waiter's; it may free `self` or submit it again */
    overlap_operation* next;               /* the loop's, while submitted */
    int32_t result;                        /* >= 0: bytes or a descriptor; < 0: -errno */
    uint8_t kind;                          /* an enum overlap_operation_kind */
    uint8_t state;                         /* the loop's, while submitted */
    uint16_t tag;                          /* the waiter's; loops leave it alone */
};

/* A wait until a deadline. */
typedef struct overlap_timer {
    overlap_operation operation;
    int64_t deadline; /* nanoseconds, as of now(); the loop's to set and use, while submitted */
    void* scratch;    /* the loop's, while submitted */
} overlap_timer;

/* One step of I/O on a stream socket in non-blocking mode. What `data` points to stays valid until the
 * operation is done. */
typedef struct overlap_io {
    overlap_operation operation;
    int32_t descriptor;
    void* data;
    size_t size;   /* bytes */
    void* scratch; /* the loop's, while submitted */
} overlap_io;

/* The calls of a loop. `loop` is what create() returned. Where a function can fail in words, it writes
 * one line, cut off and ended with a zero byte within `capacity` bytes, into `reason`. */
typedef struct overlap_loop_table {
    uint32_t version; /* OVERLAP_LOOP_VERSION */
    uint32_t size;    /* sizeof(overlap_loop_table) */

    /* In tables and on the command line: letters, digits, '_', '-' and '.'; static. */
    const char* name;

    /* 0 if the loop can work on this machine, found out by trying; else the reason. */
    int (*available)(char* reason, size_t capacity);

    /* A new loop; NULL and the reason when it cannot be made. */
    void* (*create)(char* reason, size_t capacity);
    /* Calls nobody's `done`, and closes what the loop opened. */
    void (*destroy)(void* loop);

    /* The loop's clock in nanoseconds. Loops in real time go by CLOCK_MONOTONIC. */
    int64_t (*now)(void* loop);
    void (*post)(void* loop, overlap_operation* operation);
    void (*post_remote)(void* loop, overlap_operation* operation);
    /* These three return 0, or -ENOMEM when the loop has no memory: nothing is submitted then. */
    int (*call_at)(void* loop, overlap_timer* timer, int64_t deadline);
    int (*submit)(void* loop, overlap_io* io);
    int (*cancel)(void* loop, overlap_operation* operation);
    /* Returns 0 after stop(); else the loop is broken, and the reason says how. */
    int (*run)(void* loop, char* reason, size_t capacity);
    void (*stop)(void* loop);
} overlap_loop_table;

/* What a plug-in exports: a table that lives as long as the program. */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const overlap_loop_table*
overlap_loop(void);

#ifdef __cplusplus
}
#endif

#endif
