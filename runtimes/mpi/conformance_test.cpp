// The kit's rules on one rank, which needs no mpirun: what tasks share is in memory that a process hands
// down to those it forks, and ranks are no forks of one another. On several, mpi_test.cpp.
#include <overlap/conformance/direct_runtime_rules.hpp>
#include <overlap/conformance/testing/register_rules.hpp>
#include <overlap/mpi/mpi.hpp>
#include <overlap/sequential/sequential.hpp>

#include <cstdlib>
#include <gtest/gtest.h>
#include <vector>

namespace overlap::conformance {

/// Each rule is checked in a process of its own, which starts MPI and ends it.
template <>
struct fresh<mpi<sequential>> {
    mpi_environment environment;
    mpi<sequential> runtime;
};

}  // namespace overlap::conformance

int main(int count, char** arguments) {
    using namespace overlap;
    testing::InitGoogleTest(&count, arguments);
    ::setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);  // No daemon for one rank.
    auto rules = conformance::direct_runtime_rules<mpi<sequential>>();
    // MPI keeps some descriptors until the process ends, whatever is on top of it.
    std::erase_if(rules, [](const conformance::rule& each) {
        return each.name == "required_no_descriptor_is_left_open";
    });
    conformance::register_rules("mpi", rules);
    return RUN_ALL_TESTS();
}
