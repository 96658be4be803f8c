/* A tree of tasks. A leaf is a uv_idle_t, as libuv's guide has it for computing that gives way: the
   loop calls it when it comes round, after all that was ready before. */
#include "loop.h"
#include "peer.h"

#include <stdlib.h>

struct tree {
    const struct gather_case* spec;
    struct flight_log* log;
};

/* A task that gathers; the root is one. */
struct branch {
    const struct tree* tree;
    struct branch* parent; /* NULL of the root. */
    uint64_t* value;       /* Where its parent wants its own. */
    uint64_t* values;      /* Of its children, in order. */
    void* children;        /* All leaves, or all branches. */
    size_t running;        /* Children that have not ended. */
    struct flight* flight;
};

struct leaf {
    uv_idle_t idle;
    struct branch* parent;
    uint32_t state; /* That it computes from. */
    uint32_t work;
    uint64_t* value;
    struct flight* flight;
};

static void child_ended(struct branch* self) {
    if (--self->running > 0) return;
    free(self->children);
    if (self->parent == NULL) return;
    uint64_t sum = 0;
    for (size_t i = 0; i < self->tree->spec->fan_out; ++i) sum += self->values[i];
    free(self->values);
    *self->value = sum;
    land(self->flight);
    child_ended(self->parent); /* May free this task, and is therefore last. */
}

/* Only now is its memory no longer libuv's. */
static void on_leaf_closed(uv_handle_t* handle) { child_ended(((struct leaf*)handle)->parent); }

static void run_leaf(uv_idle_t* idle) {
    struct leaf* self = (struct leaf*)idle;
    *self->value = leaf_value(self->state, self->work);
    land(self->flight);
    uv_close((uv_handle_t*)idle, on_leaf_closed);
}

static void start_leaves(struct branch* parent, size_t first) {
    const struct tree* tree = parent->tree;
    struct leaf* leaves = allocate(tree->spec->fan_out, sizeof *leaves);
    parent->children = leaves;
    for (size_t i = 0; i < tree->spec->fan_out; ++i) {
        struct leaf* self = &leaves[i];
        self->flight = take_off(tree->log);
        self->parent = parent;
        self->state = leaf_state(tree->spec->seed, first + i);
        self->work = work_of(tree->spec, first + i);
        self->value = &parent->values[i];
        check(uv_idle_init(uv_default_loop(), &self->idle), "uv_idle_init");
        check(uv_idle_start(&self->idle, run_leaf), "uv_idle_start");
    }
}

/* Starts the children of a task that has a position in its level and `depth` levels below it. */
static void start_children(struct branch* self, size_t position, size_t depth) {
    const struct tree* tree = self->tree;
    const size_t fan_out = tree->spec->fan_out;
    self->running = fan_out;
    if (depth == 1) {
        start_leaves(self, position * fan_out);
        return;
    }
    struct branch* branches = allocate(fan_out, sizeof *branches);
    self->children = branches;
    for (size_t i = 0; i < fan_out; ++i) {
        branches[i] = (struct branch){.tree = tree,
                                      .parent = self,
                                      .value = &self->values[i],
                                      .values = allocate(fan_out, sizeof *self->values),
                                      .flight = take_off(tree->log)};
        start_children(&branches[i], position * fan_out + i, depth - 1);
    }
}

void run_gather(const struct gather_case* spec, uint64_t* values, struct flight_log* log) {
    const struct tree tree = {.spec = spec, .log = log};
    struct branch root = {.tree = &tree, .values = values};
    start_children(&root, 0, spec->depth);
    run_loop();
}
