/* What the workloads ask for, by bench/README.md, in C and in C++. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct sleeps_case {
    size_t tasks;
    int64_t shortest_ns;
    int64_t longest_ns;
    uint64_t seed;
    const int64_t* listed_ns; /* One a task, or NULL. */
};

struct gather_case {
    size_t fan_out;
    size_t depth;
    uint32_t work;
    size_t heavy_leaves; /* The first ones; they have `heavy_work`. */
    uint32_t heavy_work;
    uint32_t seed;
};

struct echo_case {
    size_t connections;
    size_t buffer_bytes;
    int64_t deadline_ns; /* Of each read, from its call; 0: none. */
};

struct heartbeat_case {
    size_t tasks; /* That compute; the one that beats comes on top. */
    uint32_t work;
    size_t parts;
    size_t beats;
    int64_t interval_ns;
    uint32_t seed;
};

struct mix_case {
    size_t tasks;
    size_t rounds;
    int64_t wait_ns;
    uint32_t work;
    uint32_t seed;
};

struct cancel_case {
    size_t tasks;
};

struct channel_case {
    size_t producers;
    size_t consumers;
    size_t elements; /* Of each producer. */
    size_t capacity;
    int64_t slow_ns; /* Consumer 0 sleeps so long after each element. */
    uint32_t seed;
};

struct ping_pong_case {
    size_t pairs;
    uint32_t rounds;
    uint32_t seed;
};

/* What a run of cancel comes to. */
struct cancelled_tasks {
    uint64_t cleaned_up;
    uint64_t woken;
    uint64_t told; /* 1: who joined them was told of the cancelling. */
    int64_t took_ns;
};

/* What passes through the channel. */
struct element {
    uint32_t producer;
    uint32_t number;
};

/* The result of a task of channel. `value` is of producers the most elements that they have seen in the
   channel, of consumers the sum of what they popped; `other` is of producers the longest time in ns for
   which it was full, of consumers how many elements came out of order. */
struct traffic {
    uint64_t elements;
    uint64_t value;
    int64_t other;
};

/* The result of a task of heartbeat: the one that beats has gaps, the others have a value. */
struct pulse {
    uint64_t value;
    int64_t longest_gap_ns;
    int64_t mean_gap_ns;
};

/* What leaf `index` of a run with this seed begins with. */
static inline uint32_t leaf_state(uint32_t seed, size_t index) { return (uint32_t)(seed + index); }

/* The work of a leaf by its index. */
static inline uint32_t work_of(const struct gather_case* given, size_t leaf) {
    return leaf < given->heavy_leaves ? given->heavy_work : given->work;
}

/* So many steps of xorshift32 from the state of a leaf. */
static inline uint64_t leaf_value(uint32_t state, uint32_t steps) {
    for (uint32_t step = 0; step < steps; ++step) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
    }
    return state;
}

static inline uint64_t splitmix64(uint64_t seed) {
    uint64_t z = seed + 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* For how long task `index` sleeps. */
static inline int64_t delay_ns(const struct sleeps_case* spec, size_t index) {
    if (spec->listed_ns) return spec->listed_ns[index];
    const uint64_t choices = (uint64_t)(spec->longest_ns - spec->shortest_ns) + 1;
    if (choices == 1) return spec->shortest_ns;
    return spec->shortest_ns + (int64_t)(splitmix64(spec->seed + index) % choices);
}
