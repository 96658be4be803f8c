#include "bench/primitives/primitives.hpp"

int main(int argc, char** argv) { return overlap::bench::run_primitives(argc, argv); }
