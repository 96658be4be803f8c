/* A plug-in built with some later overlap/loop.h. */
#include <overlap/loop.h>

static const overlap_loop_table table = {
    .version = OVERLAP_LOOP_VERSION + 1,
    .size = sizeof(overlap_loop_table) + 64,
    .name = "wrong_version",
};

const overlap_loop_table* overlap_loop(void) { return &table; }
