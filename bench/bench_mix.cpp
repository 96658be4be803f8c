#include "bench/mix_suite.hpp"

int main(int argc, char** argv) { return overlap::bench::run_mix(argc, argv); }
