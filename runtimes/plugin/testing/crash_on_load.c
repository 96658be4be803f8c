/* A plug-in that crashes before anybody has asked it for anything. */
#include <stdlib.h>

__attribute__((constructor)) static void crash(void) { abort(); }
