# libquern, shared and static, from the objects that the layers were compiled to, and what finds them: a CMake package
# and a .pc file. The shared library shows what include/quern declares (QUERN_API) and hides the rest.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

# quern_library(base tensor ...): all layers, left to right.
function(quern_library)
  list(TRANSFORM ARGN REPLACE "(.+)" "$<TARGET_OBJECTS:quern_\\1>" OUTPUT_VARIABLE objects)
  # Names for a linker, where a program links the static library: the packages of tools/dependencies.txt [build].
  set(needed fmt crypto z dnnl sentencepiece icui18n icuuc re2 openblas ${QUERN_GOMP})

  add_library(quern_shared SHARED $<TARGET_OBJECTS:quern_api>)
  target_link_libraries(quern_shared PRIVATE quern_api quern_flags)
  target_link_options(quern_shared PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/quern.map)
  set_target_properties(quern_shared PROPERTIES
    OUTPUT_NAME quern EXPORT_NAME quern LINKER_LANGUAGE CXX
    LINK_DEPENDS ${CMAKE_SOURCE_DIR}/cmake/quern.map
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})

  add_library(quern_static STATIC ${objects})
  target_link_libraries(quern_static INTERFACE ${needed})
  set_target_properties(quern_static PROPERTIES OUTPUT_NAME quern LINKER_LANGUAGE CXX)

  foreach(library quern_shared quern_static)
    target_include_directories(${library} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_compile_features(${library} INTERFACE cxx_std_20)
  endforeach()
  quern_install_library("${needed}")
endfunction()

function(quern_install_library needed)
  set(package ${CMAKE_INSTALL_LIBDIR}/cmake/quern)
  install(TARGETS quern_shared quern_static EXPORT quernTargets
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/quern DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h)
  install(EXPORT quernTargets NAMESPACE quern:: DESTINATION ${package})
  file(WRITE ${CMAKE_BINARY_DIR}/quernConfig.cmake "include(\${CMAKE_CURRENT_LIST_DIR}/quernTargets.cmake)\n")
  write_basic_package_version_file(${CMAKE_BINARY_DIR}/quernConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${CMAKE_BINARY_DIR}/quernConfig.cmake ${CMAKE_BINARY_DIR}/quernConfigVersion.cmake DESTINATION ${package})

  # Paths relative to the file: the prefix is chosen when installing.
  file(RELATIVE_PATH to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  list(TRANSFORM needed PREPEND -l REGEX "^[^/]" OUTPUT_VARIABLE private)
  list(JOIN private " " private)
  configure_file(${CMAKE_SOURCE_DIR}/cmake/quern.pc.in ${CMAKE_BINARY_DIR}/quern.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/quern.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()
