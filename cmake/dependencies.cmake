# Well-kept libraries, each called from one file.
find_package(PkgConfig REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS C)
find_package(ZLIB REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(LAPACKE REQUIRED IMPORTED_TARGET lapacke)
target_link_libraries(weft_settings INTERFACE OpenMP::OpenMP_C ZLIB::ZLIB PkgConfig::JANSSON PkgConfig::LAPACKE m)
