# Debian packages behind these lines: tools/dependencies.txt; why each is here: docs/dependencies.md.
find_package(Threads REQUIRED)
find_package(fmt 9 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(ZLIB REQUIRED)
find_package(CLI11 REQUIRED)
find_package(dnnl REQUIRED)
find_package(ICU 72 REQUIRED COMPONENTS i18n uc)
find_package(PkgConfig REQUIRED)
pkg_check_modules(sentencepiece REQUIRED IMPORTED_TARGET sentencepiece)
pkg_check_modules(openblas REQUIRED IMPORTED_TARGET openblas)
pkg_check_modules(re2 REQUIRED IMPORTED_TARGET re2)

# Debian's oneDNN runs on GNU OpenMP; clang would link its own runtime beside it, so the library is named.
add_library(quern_openmp INTERFACE)
find_library(QUERN_GOMP NAMES gomp libgomp.so.1 PATH_SUFFIXES gcc/x86_64-linux-gnu/12 gcc/aarch64-linux-gnu/12
             PATHS /usr/lib /usr/lib/gcc REQUIRED)
target_link_libraries(quern_openmp INTERFACE ${QUERN_GOMP})

if(QUERN_TESTS)
  find_package(GTest REQUIRED)
endif()
if(QUERN_BENCH)
  find_package(benchmark REQUIRED)
endif()
