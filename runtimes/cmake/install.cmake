# cmake --install: headers, the CMake package, the kit, the suite and its tools.
include(CMakePackageConfigHelpers)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/overlap)
set(data ${CMAKE_INSTALL_DATADIR}/overlap)
set(headers ${CMAKE_INSTALL_INCLUDEDIR}/overlap)

install(FILES runtimes/loop.h DESTINATION ${headers})
# What the tour of a plug-in is made of.
install(FILES runtimes/coroutine/testing/on_loop.hpp runtimes/coroutine/testing/tour.hpp
        DESTINATION ${headers}/coroutine/testing)

foreach(name count_allocations check_table)
    set_target_properties(overlap_${name} PROPERTIES EXPORT_NAME ${name})
    install(TARGETS overlap_${name} EXPORT overlap)
endforeach()
install(FILES runtimes/conformance/count_allocations.cpp runtimes/check/check_table.cpp
        DESTINATION ${data})
install(TARGETS overlap_check_loop)
install(DIRECTORY runtimes/example_loop DESTINATION ${data})

if(OVERLAP_BENCH)
    set_target_properties(suite PROPERTIES OUTPUT_NAME overlap_suite)
    install(TARGETS suite echo_load EXPORT overlap)
    install(DIRECTORY bench DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/overlap-suite
            FILES_MATCHING PATTERN *.hpp PATTERN echo_load EXCLUDE)
    install(FILES bench/workloads.toml DESTINATION ${data})
endif()

file(GLOB templates CONFIGURE_DEPENDS runtimes/cmake/*.cpp.in)
install(FILES ${templates} runtimes/cmake/overlap_plugins.cmake DESTINATION ${package})
install(EXPORT overlap NAMESPACE overlap:: FILE overlap-targets.cmake DESTINATION ${package})
configure_package_config_file(
    runtimes/cmake/overlap-config.cmake.in overlap-config.cmake INSTALL_DESTINATION ${package}
    PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_DATADIR)
# Before 1.0 each minor version may change what plug-ins are compiled against.
write_basic_package_version_file(overlap-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/overlap-config.cmake
              ${PROJECT_BINARY_DIR}/overlap-config-version.cmake
        DESTINATION ${package})
