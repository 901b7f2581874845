/* Which sanitizers a test is built with, asked of GCC and Clang in their own ways: each name is 0 or 1. */
#ifndef WEFT_TESTS_SANITIZERS_H
#define WEFT_TESTS_SANITIZERS_H

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER 1
#endif
#endif
#if !defined(ADDRESS_SANITIZER)
#define ADDRESS_SANITIZER 0
#endif

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif
#if !defined(THREAD_SANITIZER)
#define THREAD_SANITIZER 0
#endif

#if defined(__has_feature) /* GCC has none */
#if __has_feature(memory_sanitizer)
#define MEMORY_SANITIZER 1
#endif
#endif
#if !defined(MEMORY_SANITIZER)
#define MEMORY_SANITIZER 0
#endif

#endif
