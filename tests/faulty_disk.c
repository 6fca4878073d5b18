/* A disk that refuses: after so many calls that change files, each of them fails with an error of one's choice. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int left = -1, code = 0, no_flock = 0, no_fcntl = 0;

/* From the nth call on (1 is the next one) all fail with an errno; n = 0 ends that. */
void set_fault(int n, int error) { left = n - 1; code = error; }

/* Whether the file system lacks flock, and POSIX locks. */
void set_locks(int lacks_flock, int lacks_fcntl) { no_flock = lacks_flock; no_fcntl = lacks_fcntl; }

static int fails(void) {
    if (left < 0) return 0;
    if (left > 0) { left--; return 0; }
    errno = code;
    return 1;
}

#define REAL(type, name, args) type (*real) args = (type (*) args)dlsym(RTLD_NEXT, name)

ssize_t pwrite64(int fd, const void *buffer, size_t size, off64_t place) {
    REAL(ssize_t, "pwrite64", (int, const void *, size_t, off64_t));
    return fails() ? -1 : real(fd, buffer, size, place);
}
ssize_t pwrite(int fd, const void *buffer, size_t size, off_t place) {
    REAL(ssize_t, "pwrite", (int, const void *, size_t, off_t));
    return fails() ? -1 : real(fd, buffer, size, place);
}
ssize_t write(int fd, const void *buffer, size_t size) {
    REAL(ssize_t, "write", (int, const void *, size_t));
    return fd > 2 && fails() ? -1 : real(fd, buffer, size);
}
int fsync(int fd) {
    REAL(int, "fsync", (int));
    return fails() ? -1 : real(fd);
}
int fdatasync(int fd) {
    REAL(int, "fdatasync", (int));
    return fails() ? -1 : real(fd);
}
int ftruncate64(int fd, off64_t size) {
    REAL(int, "ftruncate64", (int, off64_t));
    return fails() ? -1 : real(fd, size);
}
int ftruncate(int fd, off_t size) {
    REAL(int, "ftruncate", (int, off_t));
    return fails() ? -1 : real(fd, size);
}
int rename(const char *from, const char *to) {
    REAL(int, "rename", (const char *, const char *));
    return fails() ? -1 : real(from, to);
}
int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", (const char *, mode_t));
    return fails() ? -1 : real(path, mode);
}
int flock(int fd, int operation) {
    REAL(int, "flock", (int, int));
    if (no_flock) { errno = ENOSYS; return -1; }
    return real(fd, operation);
}
static int opened(const char *name, const char *path, int flags, mode_t mode) {
    REAL(int, name, (const char *, int, ...));
    return (flags & O_CREAT) && fails() ? -1 : real(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest);
    return opened("open64", path, flags, mode);
}
int open(const char *path, int flags, ...) {
    va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest);
    return opened("open", path, flags, mode);
}
static int locking(const char *name, int fd, int command, void *value) {
    REAL(int, name, (int, int, ...));
    if (no_fcntl && (command == F_SETLK || command == F_SETLKW)) { errno = ENOLCK; return -1; }
    return real(fd, command, value);
}
int fcntl64(int fd, int command, ...) {
    va_list rest; va_start(rest, command); void *value = va_arg(rest, void *); va_end(rest);
    return locking("fcntl64", fd, command, value);
}
int fcntl(int fd, int command, ...) {
    va_list rest; va_start(rest, command); void *value = va_arg(rest, void *); va_end(rest);
    return locking("fcntl", fd, command, value);
}
