# Writes OUTPUT, a header with the commit that SOURCE is at, unless it says so already.
cmake_minimum_required(VERSION 3.25)

# A tree without a repository of its own has no commit, whatever lies around it.
execute_process(
    COMMAND git rev-parse --show-toplevel
    WORKING_DIRECTORY ${SOURCE}
    OUTPUT_VARIABLE top
    OUTPUT_STRIP_TRAILING_WHITESPACE
    ERROR_QUIET)
file(REAL_PATH ${SOURCE} source)
set(commit)
if(top STREQUAL source)
    execute_process(
        COMMAND git describe --always --dirty --abbrev=12
        WORKING_DIRECTORY ${SOURCE}
        OUTPUT_VARIABLE commit
        OUTPUT_STRIP_TRAILING_WHITESPACE
        ERROR_QUIET)
endif()
if(NOT commit)
    set(commit unknown)
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT
"#pragma once
namespace overlap::bench {
inline constexpr const char* commit = \"@commit@\";
}
" @ONLY)
