#include "bench/workloads/echo/workload.hpp"

int main(int argc, char** argv) { return overlap::bench::run_echo(argc, argv); }
