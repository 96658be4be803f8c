# The load generator: a tool of its own, linked to nothing that it measures.
find_package(CLI11 REQUIRED)
find_package(nlohmann_json REQUIRED)

add_executable(
    echo_load
    echo_load/connect.cpp
    echo_load/connection.cpp
    echo_load/echo_load.cpp
    echo_load/gates.cpp
    echo_load/generator.cpp
    echo_load/latencies.cpp
    echo_load/report.cpp
    echo_load/request.cpp
    echo_load/schedule.cpp)
target_include_directories(echo_load PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(echo_load PRIVATE overlap::core CLI11::CLI11 nlohmann_json::nlohmann_json)
add_executable(overlap::echo_load ALIAS echo_load)
