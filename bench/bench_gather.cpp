#include "bench/workloads/gather/workload.hpp"

int main(int argc, char** argv) { return overlap::bench::run_gather(argc, argv); }
