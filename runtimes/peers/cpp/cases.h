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
