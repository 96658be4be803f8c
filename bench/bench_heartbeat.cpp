#include "bench/workloads/heartbeat/workload.hpp"

int main(int argc, char** argv) { return overlap::bench::run_heartbeat(argc, argv); }
