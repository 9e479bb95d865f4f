# quern_layer(codec USES tensor): the sources of src/codec become the library quern_codec, its *_test.cpp the
# program quern_codec_test (one ctest entry a test case), its *_bench.cpp the program quern_codec_bench.
# LINK names libraries that only the layer itself sees. Tests may use every layer: they take packages as fixtures.
#
# Most of the time of a compilation goes into headers, so files of a layer are compiled eight at a time (a third of the
# time), and share the names that they keep to themselves. APART: patterns of files that do not, since each is a row of
# a table that names its parts as the others do, is compiled for wider instructions, or has what a program may replace.
include(GoogleTest)
option(QUERN_TOGETHER "Compile files of a layer eight at a time" ON)

function(quern_layer name)
  cmake_parse_arguments(LAYER "" "" "USES;LINK;APART" ${ARGN})
  set(dir ${CMAKE_SOURCE_DIR}/src/${name})
  file(GLOB sources CONFIGURE_DEPENDS ${dir}/*.cpp)
  file(GLOB tests CONFIGURE_DEPENDS ${dir}/*_test.cpp)
  file(GLOB benches CONFIGURE_DEPENDS ${dir}/*_bench.cpp)
  list(REMOVE_ITEM sources ${tests} ${benches})
  foreach(pattern IN LISTS LAYER_APART)
    file(GLOB apart CONFIGURE_DEPENDS ${dir}/${pattern}.cpp)
    set_source_files_properties(${apart} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endforeach()
  if(NOT sources)
    add_library(quern_${name} INTERFACE)
    set(visibility INTERFACE)
  else()
    add_library(quern_${name} STATIC ${sources})
    set(visibility PUBLIC)
    target_link_libraries(quern_${name} PRIVATE quern_flags ${LAYER_LINK})
    set_target_properties(quern_${name} PROPERTIES UNITY_BUILD ${QUERN_TOGETHER})
  endif()
  add_library(quern::${name} ALIAS quern_${name})
  target_include_directories(quern_${name} ${visibility} ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
  foreach(used IN LISTS LAYER_USES)
    target_link_libraries(quern_${name} ${visibility} quern_${used})
  endforeach()
  if(QUERN_TESTS AND tests)
    add_executable(quern_${name}_test ${tests})
    target_link_libraries(quern_${name}_test PRIVATE quern_${name} quern_api quern_flags GTest::gtest GTest::gtest_main)
    set_target_properties(quern_${name}_test PROPERTIES UNITY_BUILD ${QUERN_TOGETHER})
    quern_discover_tests(quern_${name}_test)
  endif()
  if(QUERN_BENCH AND benches)
    add_executable(quern_${name}_bench ${benches})
    target_link_libraries(quern_${name}_bench PRIVATE quern_${name} quern_flags benchmark::benchmark_main)
  endif()
endfunction()

# Under sanitizers optimising takes most of the time of a compilation: 27 s for eight files of tests that take 11 without.
function(quern_leave_unoptimised target)
  if(QUERN_SANITIZE)
    target_compile_options(${target} PRIVATE -O0)
  endif()
endfunction()

# Tests find their inputs through two macros: fixtures of the repository, and the optional shared folder beside it. They
# share one precompiled header, and are not worth the time of a whole optimisation.
function(quern_discover_tests target)
  if(TARGET quern_base_test AND NOT target STREQUAL quern_base_test)
    target_precompile_headers(${target} REUSE_FROM quern_base_test)
  else()
    target_precompile_headers(${target} PRIVATE <gtest/gtest.h>)
  endif()
  set_target_properties(${target} PROPERTIES QUERN_IS_TEST ON)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
  quern_leave_unoptimised(${target})
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_definitions(${target} PRIVATE
    QUERN_SOURCE_DIR="${CMAKE_SOURCE_DIR}" QUERN_TESTDATA="${CMAKE_SOURCE_DIR}/testdata")
  if(QUERN_SANITIZE)
    # A process takes longer to start than most tests to run: a program at a time, those of the last layers first. Whole
    # models that are planned and packed in many sizes take minutes, as searches over all seeds and large codebooks do:
    # they belong to release.
    get_property(programs GLOBAL PROPERTY QUERN_TEST_PROGRAMS)
    math(EXPR programs "0${programs} + 1")
    set_property(GLOBAL PROPERTY QUERN_TEST_PROGRAMS ${programs})
    string(CONCAT slow "*AreKeptToTheByte*:Overlay.IsSurveyedAndCompressedToASize:Library.PlansForASize*:"
                       "*CodecTest.*/seedlm_3w:*CodecTest.*/seedlm_4_paper:Seedlm.HasTheGaussian*:SeedSearch.HasThePublished*:"
                       "Vptq.LosesOnAGaussian*:*CodecTest.*/vptq_v6_k4096_r4096:Chains.StandBeside*:Library.ChainsMethods*")
    add_test(NAME unit.${target} COMMAND ${target} --gtest_brief=1 --gtest_filter=-${slow})
    set_tests_properties(unit.${target} PROPERTIES TIMEOUT 1800 COST ${programs})
  else()
    gtest_discover_tests(${target} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 600 SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]")
  endif()
endfunction()
