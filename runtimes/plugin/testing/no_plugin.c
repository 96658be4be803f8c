/* A shared library that is no plug-in. */
int overlap_loops(void);
int overlap_loops(void) { return 0; }
