// For test binaries built with ThreadSanitizer. The distribution's oneTBB is not instrumented, so
// the order that its atomics make between threads is unseen, and everything handed from one thread
// to another through it looks like a race. What runs on oneTBB's threads is therefore not judged.
//
// By the module's name, because names of functions match only where llvm-symbolizer is installed.
extern "C" const char* __tsan_default_suppressions();

extern "C" const char* __tsan_default_suppressions() { return "race:libtbb.so\n"; }
