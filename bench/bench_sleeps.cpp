#include "bench/workloads/sleeps/workload.hpp"

int main(int argc, char** argv) { return overlap::bench::run_sleeps(argc, argv); }
