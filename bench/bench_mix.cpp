#include "bench/workloads/mix/workload.hpp"

int main(int argc, char** argv) { return overlap::bench::run_mix(argc, argv); }
