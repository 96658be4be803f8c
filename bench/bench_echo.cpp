#include "bench/echo_suite.hpp"

int main(int argc, char** argv) { return overlap::bench::run_echo(argc, argv); }
