# What makes an event loop, or a runtime, of one's own part of the suite: kit, module, benchmarks.
# The same file serves the suite's own tree and the installed package.

set(OVERLAP_TEMPLATES ${CMAKE_CURRENT_LIST_DIR})

# overlap_add_loop(NAME <name> HEADER <header> TYPE <type> [LIBRARIES <target>...])
#
# The class <type>, declared in <header> (relative to the current source folder), models the concept in
# overlap/core/event_loop.hpp; LIBRARIES are what it needs. Makes these targets:
#
#   <name>               a module, <name>.so: give it to a benchmark binary as --loop=./<name>.so
#   <name>_conformance   the kit on the loop, and on coroutines and fibers on it; its tests for ctest
#                        are <name>_conformance.loop, .coroutine, .fiber, and the same _through_table
#   <name>_tour          the tour of the coroutine runtime on it, as tests, where GoogleTest is found
#   <name>_bench_sleeps, <name>_bench_gather, ..., one for each of the suite's own
#                        benchmark binaries, with coroutine:<name>, fiber:<name>,
#                        sharded_coroutine:<name>, stealing_coroutine:<name> and
#                        sharded_fiber:<name> among the rows
#
# A class that does not model the concept is an error when the module is compiled, before all else.
function(overlap_add_loop)
    overlap_plugin_arguments(overlap_add_loop ${ARGN})
    set(subjects loop coroutine fiber)
    list(TRANSFORM subjects APPEND _through_table OUTPUT_VARIABLE through_table)

    overlap_plugin_source(module.cpp module.cpp)
    add_library(${NAME} MODULE ${source})
    set_target_properties(
        ${NAME} PROPERTIES PREFIX "" SUFFIX .so CXX_VISIBILITY_PRESET hidden
                           VISIBILITY_INLINES_HIDDEN ON)
    overlap_plugin_target(${NAME} overlap::plugin)
    overlap_plugin_first(${NAME})

    overlap_plugin_conformance(loop ${subjects} ${through_table})
    target_link_libraries(${NAME}_conformance PRIVATE overlap::check_table)
    overlap_plugin_benchmarks(with_loop)
    overlap_plugin_tour()
endfunction()

# overlap_add_runtime(NAME <name> HEADER <header> TYPE <type> [LIBRARIES <target>...] [CORES <number>])
#
# The same for a class that models one of the concepts in overlap/core/runtime.hpp and can be made
# without arguments: <name>_conformance, and the benchmark binaries with <name> among the rows.
#
# CORES is for a runtime that runs tasks on several cores: one that can be made with their number, a
# std::size_t, as well; made without, it is to use all cores that it may run on. The kit makes it with
# this number, 2 or more, and holds it to the rules of runtimes on several cores, too.
function(overlap_add_runtime)
    overlap_plugin_arguments(overlap_add_runtime ${ARGN})
    overlap_plugin_source(explain_runtime.cpp explain_runtime.cpp)
    add_library(${NAME}_explained STATIC ${source})
    overlap_plugin_target(${NAME}_explained overlap::core)
    overlap_plugin_first(${NAME}_explained)
    if(CORES)
        overlap_plugin_conformance(cores_runtime)
    else()
        overlap_plugin_conformance(runtime)
    endif()
    overlap_plugin_benchmarks(with_runtime)
endfunction()

# ---- what they are made of ----------------------------------------------------------------------

# Sets NAME, HEADER (its full path), TYPE, LIBRARIES and CORES for the caller; complains in one line.
macro(overlap_plugin_arguments command)
    set(single NAME HEADER TYPE)
    if("${command}" STREQUAL overlap_add_runtime)
        list(APPEND single CORES)
    endif()
    cmake_parse_arguments(given "" "${single}" "LIBRARIES" ${ARGN})
    foreach(argument NAME HEADER TYPE)
        if(NOT given_${argument})
            message(FATAL_ERROR "${command}: ${argument} is missing; expected "
                                "${command}(NAME my HEADER my.hpp TYPE my::type)")
        endif()
        set(${argument} "${given_${argument}}")
    endforeach()
    set(LIBRARIES ${given_LIBRARIES})
    set(CORES ${given_CORES})
    if(DEFINED given_CORES AND NOT CORES MATCHES "^([2-9]|[1-5][0-9]|6[0-4])$")
        message(FATAL_ERROR "${command}: CORES is '${CORES}', expected a number of cores, 2 to 64")
    endif()
    if(given_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "${command}: unexpected '${given_UNPARSED_ARGUMENTS}'")
    endif()
    if(NOT NAME MATCHES "^[A-Za-z0-9_.-]+$")
        message(FATAL_ERROR "${command}: NAME is '${NAME}', expected letters, digits, '_', '-', '.'")
    endif()
    if(TARGET ${NAME})
        message(FATAL_ERROR "${command}: a target '${NAME}' exists already: choose another NAME")
    endif()
    cmake_path(ABSOLUTE_PATH HEADER BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
    if(NOT EXISTS ${HEADER})
        message(FATAL_ERROR "${command}: HEADER ${HEADER} does not exist")
    endif()
endmacro()

# Generates a source file from a template; sets `source`.
macro(overlap_plugin_source template output)
    set(source ${CMAKE_CURRENT_BINARY_DIR}/${NAME}/${output})
    configure_file(${OVERLAP_TEMPLATES}/${template}.in ${source} @ONLY)
endmacro()

# What all targets have in common. A build without a type would measure code that nobody optimised.
function(overlap_plugin_target target)
    target_link_libraries(${target} PRIVATE ${ARGN} ${LIBRARIES})
    if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
        target_compile_options(${target} PRIVATE -O3 -DNDEBUG)
    endif()
endfunction()

# What is compiled before all else, so that one mistake in the class is one error. That one target
# depends on another is not enough: Ninja would compile both at once, and only link in this order.
function(overlap_plugin_first target)
    set(stamp ${CMAKE_CURRENT_BINARY_DIR}/${NAME}/compiled)
    add_custom_command(
        OUTPUT ${stamp}
        COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
        DEPENDS ${target}
        COMMENT "${TYPE} has every call"
        VERBATIM)
    add_custom_target(${NAME}_compiled DEPENDS ${stamp})
endfunction()

# An executable of the source file that was generated last.
function(overlap_plugin_executable target)
    add_executable(${target} ${source})
    overlap_plugin_target(${target} ${ARGN})
    add_dependencies(${target} ${NAME}_compiled)
endfunction()

# The kit as a program; `what` is its template, the rest are the subjects that are tests.
function(overlap_plugin_conformance what)
    overlap_plugin_source(check_${what}.cpp conformance.cpp)
    overlap_plugin_executable(${NAME}_conformance overlap::check overlap::count_allocations)
    target_compile_options(${NAME}_conformance PRIVATE ${OVERLAP_KIT_OPTIONS})
    set(tests)
    foreach(subject IN LISTS ARGN)
        add_test(NAME ${NAME}_conformance.${subject}
                 COMMAND ${NAME}_conformance --subject ${subject})
        list(APPEND tests ${NAME}_conformance.${subject})
    endforeach()
    if(NOT tests)
        add_test(NAME ${NAME}_conformance COMMAND ${NAME}_conformance)
        set(tests ${NAME}_conformance)
    endif()
    # 77: not available on this machine (overlap/conformance/report.hpp).
    set_tests_properties(${tests} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 1500)
endfunction()

# Writes the main programs of the benchmark binaries, bench_<program>.cpp in `folder`, one for each
# workload and one for the primitives, with the backends of `extra` (bench/harness/backends.hpp), which
# `include` declares. Sets `programs` for the caller.
function(overlap_bench_programs folder extra include)
    file(GLOB headers CONFIGURE_DEPENDS RELATIVE ${OVERLAP_SUITE_HEADERS}
         ${OVERLAP_SUITE_HEADERS}/workloads/*/workload.hpp)
    set(names)
    foreach(header IN LISTS headers ITEMS primitives/primitives.hpp)
        cmake_path(GET header PARENT_PATH name)
        cmake_path(GET name FILENAME name)
        set(call "run_workload<${name}_workload, ${extra}>")
        if(name STREQUAL "primitives")
            set(call "run_primitives<${extra}>")
        endif()
        configure_file(${CMAKE_CURRENT_FUNCTION_LIST_DIR}/bench.cpp.in ${folder}/bench_${name}.cpp
                       @ONLY)
        list(APPEND names ${name})
    endforeach()
    set(programs ${names} PARENT_SCOPE)
endfunction()

# A binary beside each of the suite's own. `with` names how rows get the class (bench/harness/backends.hpp).
function(overlap_plugin_benchmarks with)
    if(OVERLAP_ONLY_WORKLOADS)
        return()
    endif()
    if(NOT OVERLAP_BENCH AND NOT overlap_bench_FOUND)
        message(STATUS "overlap: benchmarks of ${NAME} skipped: the suite (component bench) is not there")
        return()
    endif()
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/${NAME})
    overlap_bench_programs(${sources} "${with}<${TYPE}>" "#include \"${HEADER}\"\n")
    foreach(program IN LISTS programs)
        set(source ${sources}/bench_${program}.cpp)
        overlap_plugin_executable(${NAME}_bench_${program} overlap::suite)
    endforeach()
    # The binaries look for these beside themselves.
    file(CREATE_LINK ${OVERLAP_WORKLOADS} ${CMAKE_CURRENT_BINARY_DIR}/workloads.toml SYMBOLIC)
    add_custom_command(
        TARGET ${NAME}_bench_echo POST_BUILD
        COMMAND ${CMAKE_COMMAND} -E create_symlink $<TARGET_FILE:overlap::echo_load>
                $<TARGET_FILE_DIR:${NAME}_bench_echo>/echo_load)
endfunction()

# The tests of the tour, instantiated.
function(overlap_plugin_tour)
    find_package(GTest QUIET)
    if(NOT TARGET GTest::gmock OR NOT TARGET PkgConfig::liburing)
        message(STATUS "overlap: ${NAME}_tour skipped: needs libgmock-dev and liburing-dev")
        return()
    endif()
    include(GoogleTest)
    string(MAKE_C_IDENTIFIER ${NAME} identifier)
    overlap_plugin_source(tour.cpp tour.cpp)
    overlap_plugin_executable(${NAME}_tour overlap::coroutine overlap::loops GTest::gtest_main
                              GTest::gmock)
    target_compile_options(${NAME}_tour PRIVATE ${OVERLAP_KIT_OPTIONS})
    gtest_discover_tests(${NAME}_tour TEST_PREFIX ${NAME}_tour. DISCOVERY_TIMEOUT 60
                         PROPERTIES TIMEOUT 300)
endfunction()
