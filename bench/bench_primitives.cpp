#include "bench/primitives_suite.hpp"

int main(int argc, char** argv) { return overlap::bench::run_primitives(argc, argv); }
