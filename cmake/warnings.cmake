# Settings that every file of the project is compiled with.
add_library(weft_settings INTERFACE)
target_include_directories(weft_settings INTERFACE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
target_compile_options(weft_settings INTERFACE
  -fvisibility=hidden -ffp-contract=off -fno-math-errno -fno-trapping-math
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Werror)
target_compile_definitions(weft_settings INTERFACE _GNU_SOURCE)
if(WEFT_SANITIZE)
  target_compile_options(weft_settings INTERFACE -fsanitize=${WEFT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(weft_settings INTERFACE -fsanitize=${WEFT_SANITIZE})
endif()
