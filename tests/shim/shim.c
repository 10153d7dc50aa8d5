/* Preloaded into the daemon by tests (harness/shim.rs): lets the disk fail and the clocks step while it runs.
 *
 * SHIM_CONTROL names a file of 64-bit words that the test writes and this library maps; SHIM_PATH is a part of the paths
 * whose calls are counted and fail. Everything goes to the kernel by syscall(), so nothing here depends on the order in
 * which libraries are initialised.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#if __SIZEOF_POINTER__ != 8
#error "the numbers of the system calls are those of 64-bit machines"
#endif

/* The order of the words is that of `Word` in harness/shim.rs. */
struct fault {
    uint64_t nth; /* 0: none */
    uint64_t error;
    uint64_t sticky;
    uint64_t calls;
    uint64_t failed;
};
struct control {
    int64_t wall_ms;
    int64_t boot_ms;
    struct fault write;
    struct fault sync;
};

static struct control *control;
static const char *part;

static void broken(const char *what) {
    fprintf(stderr, "shim: %s: %s\n", what, strerror(errno));
    _exit(97);
}

__attribute__((constructor)) static void shim_init(void) {
    const char *path = getenv("SHIM_CONTROL");
    if (!path) return;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) broken(path);
    void *map = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) broken("mmap");
    syscall(SYS_close, fd);
    part = getenv("SHIM_PATH");
    __atomic_store_n(&control, (struct control *)map, __ATOMIC_SEQ_CST);
}

static int concerns(int fd) {
    char link[64], path[4096];
    if (!part || !*part) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (n < 0) return 0;
    path[n] = 0;
    return strstr(path, part) != NULL;
}

/* 1, with errno set, if this call is to fail. */
static int fails(int fd, struct fault *fault) {
    int before = errno;
    int ours = concerns(fd);
    errno = before;
    if (!ours) return 0;
    uint64_t n = __atomic_add_fetch(&fault->calls, 1, __ATOMIC_SEQ_CST);
    uint64_t nth = __atomic_load_n(&fault->nth, __ATOMIC_SEQ_CST);
    if (!nth || n < nth || (n > nth && !fault->sticky)) return 0;
    __atomic_add_fetch(&fault->failed, 1, __ATOMIC_SEQ_CST);
    errno = (int)fault->error;
    return 1;
}

#define FAIL_WRITE(fd) \
    if (control && fails(fd, &control->write)) return -1
#define FAIL_SYNC(fd) \
    if (control && fails(fd, &control->sync)) return -1

ssize_t write(int fd, const void *from, size_t n) {
    FAIL_WRITE(fd);
    return syscall(SYS_write, fd, from, n);
}
ssize_t pwrite(int fd, const void *from, size_t n, off_t at) {
    FAIL_WRITE(fd);
    return syscall(SYS_pwrite64, fd, from, n, at);
}
ssize_t pwrite64(int fd, const void *from, size_t n, off64_t at) {
    FAIL_WRITE(fd);
    return syscall(SYS_pwrite64, fd, from, n, at);
}
ssize_t writev(int fd, const struct iovec *from, int n) {
    FAIL_WRITE(fd);
    return syscall(SYS_writev, fd, from, n);
}
int ftruncate(int fd, off_t size) {
    FAIL_WRITE(fd);
    return syscall(SYS_ftruncate, fd, size);
}
int ftruncate64(int fd, off64_t size) {
    FAIL_WRITE(fd);
    return syscall(SYS_ftruncate, fd, size);
}
int fsync(int fd) {
    FAIL_SYNC(fd);
    return syscall(SYS_fsync, fd);
}
int fdatasync(int fd) {
    FAIL_SYNC(fd);
    return syscall(SYS_fdatasync, fd);
}

static void step(struct timespec *t, int64_t ms) {
    int64_t ns = t->tv_nsec + (ms % 1000) * 1000000;
    t->tv_sec += ms / 1000;
    if (ns < 0) { ns += 1000000000; t->tv_sec--; }
    if (ns >= 1000000000) { ns -= 1000000000; t->tv_sec++; }
    t->tv_nsec = ns;
}

int clock_gettime(clockid_t clock, struct timespec *into) {
    int result = syscall(SYS_clock_gettime, clock, into);
    if (result || !control) return result;
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) step(into, __atomic_load_n(&control->wall_ms, __ATOMIC_SEQ_CST));
    if (clock == CLOCK_BOOTTIME || clock == CLOCK_BOOTTIME_ALARM) step(into, __atomic_load_n(&control->boot_ms, __ATOMIC_SEQ_CST));
    return 0;
}
int gettimeofday(struct timeval *restrict into, void *restrict zone) {
    struct timespec t;
    (void)zone;
    if (into) {
        clock_gettime(CLOCK_REALTIME, &t);
        into->tv_sec = t.tv_sec;
        into->tv_usec = t.tv_nsec / 1000;
    }
    return 0;
}
time_t time(time_t *into) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (into) *into = t.tv_sec;
    return t.tv_sec;
}
