/* Settings of glibc's allocator, made before main: docs/decisions/0012. They can be made by an environment variable, which
   whoever starts the daemon would have to know, or by mallopt(3), which is not part of safe Rust. */
#include <malloc.h>

__attribute__((constructor)) static void vendord_allocator(void) {
    /* One heap for all threads: what one thread allocates another frees, and each heap would keep its own reserve. */
    mallopt(M_ARENA_MAX, 1);
    /* Pages of metrics and configuration files get mappings of their own, which are given back at once. Set, these do not grow
       by themselves with the largest block that was ever freed. */
    mallopt(M_MMAP_THRESHOLD, 64 * 1024);
    mallopt(M_TRIM_THRESHOLD, 128 * 1024);
}
