/* A plug-in whose table ends too early. */
#include <overlap/loop.h>

static const overlap_loop_table table = {
    .version = OVERLAP_LOOP_VERSION,
    .size = (uint32_t)offsetof(overlap_loop_table, run),
    .name = "short_table",
};

const overlap_loop_table* overlap_loop(void) { return &table; }
