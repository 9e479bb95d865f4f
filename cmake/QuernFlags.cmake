# Flags of every target. One instruction-set level for the whole program: per-file -march would let inline
# functions of a wide file be picked by the linker for a narrow one.
add_library(quern_flags INTERFACE)
target_compile_options(quern_flags INTERFACE
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wimplicit-fallthrough
  -Wno-missing-field-initializers  # designated initialisers leave members at their defaults
  -ffp-contract=off   # one rounding an operation, with either compiler
  -fno-trapping-math) # nobody reads floating-point exception flags; without it comparisons are not vectorised
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(quern_flags INTERFACE -march=x86-64-v3)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False positives of g++ 12 on "literal" + std::string.
  target_compile_options(quern_flags INTERFACE -Wno-restrict -Wno-stringop-overflow)
  # Files that are compiled together (QUERN_TOGETHER) look like headers.
  target_compile_options(quern_flags INTERFACE -Wno-subobject-linkage)
endif()
# The same objects go into the program and both libraries, so they are compiled once, for any place in memory. Hidden
# symbols keep that as fast as code for a program: nothing can be put in the place of a function.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
option(QUERN_WERROR "Warnings are errors" OFF)
if(QUERN_WERROR)
  target_compile_options(quern_flags INTERFACE -Werror)
endif()

set(QUERN_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=")
if(QUERN_SANITIZE)
  # Of the tests' own code only what the library sees matters: checks of undefined behaviour would make it take three
  # times as long to compile (a typical file 24 s for 8 s).
  target_compile_options(quern_flags INTERFACE -fsanitize=${QUERN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all
    $<$<BOOL:$<TARGET_PROPERTY:QUERN_IS_TEST>>:-fno-sanitize=undefined>)
  target_link_options(quern_flags INTERFACE -fsanitize=${QUERN_SANITIZE})
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
