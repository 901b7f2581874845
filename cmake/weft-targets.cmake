# The imported targets of an installed Weft; WEFT_INCLUDE_DIR and WEFT_LIBRARY_DIR are set by weft-config.cmake.
if(NOT TARGET weft::weft)
  add_library(weft::weft SHARED IMPORTED)
  set_target_properties(weft::weft PROPERTIES
    IMPORTED_LOCATION ${WEFT_LIBRARY_DIR}/libweft.so.${WEFT_SONAME_VERSION}
    IMPORTED_SONAME libweft.so.${WEFT_SONAME_VERSION}
    INTERFACE_INCLUDE_DIRECTORIES ${WEFT_INCLUDE_DIR})
endif()

# The static library brings nothing along: whoever links it needs what Weft is built on.
if(NOT TARGET weft::static)
  find_package(Threads QUIET)
  find_package(ZLIB QUIET)
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    pkg_check_modules(WEFT_NEEDS QUIET IMPORTED_TARGET jansson lapacke libpcre2-8 libutf8proc)
  endif()
  if(Threads_FOUND AND ZLIB_FOUND AND WEFT_NEEDS_FOUND)
    add_library(weft::static STATIC IMPORTED)
    set_target_properties(weft::static PROPERTIES
      IMPORTED_LOCATION ${WEFT_LIBRARY_DIR}/libweft.a
      INTERFACE_INCLUDE_DIRECTORIES ${WEFT_INCLUDE_DIR}
      INTERFACE_LINK_LIBRARIES "Threads::Threads;ZLIB::ZLIB;PkgConfig::WEFT_NEEDS;m")
  endif()
endif()
