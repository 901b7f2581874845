# Settings that every file of the project is compiled with.
add_library(weft_settings INTERFACE)
target_include_directories(weft_settings INTERFACE $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src>)
target_compile_options(weft_settings INTERFACE
  -fvisibility=hidden -ffp-contract=off -fno-math-errno -fno-trapping-math
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Werror)
target_compile_definitions(weft_settings INTERFACE _GNU_SOURCE)
