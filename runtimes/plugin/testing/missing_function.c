/* A plug-in that forgot all but one of its functions. */
#include <overlap/loop.h>

static int available(char* reason, size_t capacity) {
    (void)reason;
    (void)capacity;
    return 0;
}

static const overlap_loop_table table = {
    .version = OVERLAP_LOOP_VERSION,
    .size = sizeof(overlap_loop_table),
    .name = "missing_function",
    .available = available,
};

const overlap_loop_table* overlap_loop(void) { return &table; }
