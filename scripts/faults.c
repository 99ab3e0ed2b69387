// A library to preload (LD_PRELOAD) that lets a program's N-th call for its files go wrong, whichever thread makes it:
//
//   FAULT_AT=N      which call; 0 for none
//   FAULT_DO=kill   end the process there by SIGKILL; EIO or ENOSPC: let the call fail so
//   FAULT_COUNT=F   write the number of calls to this file at the end
//
// The calls: open for writing, write to such a file, fsync, rename, unlink, rmdir, mkdir.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long calls;
// Files that were opened for writing, by descriptor: pipes and devices are left alone.
static atomic_char ours[4096];

// Whether this call is to fail; errno is then set.
static int fault(void) {
    static long at = -1;
    static const char *what = "";
    if (at < 0) {
        const char *text = getenv("FAULT_AT");
        at = text ? atol(text) : 0;
        if (getenv("FAULT_DO")) what = getenv("FAULT_DO");
    }
    if (atomic_fetch_add(&calls, 1) + 1 != at) return 0;
    if (strcmp(what, "kill") == 0) {
        kill(getpid(), SIGKILL);
        pause();
    }
    errno = strcmp(what, "ENOSPC") == 0 ? ENOSPC : EIO;
    return 1;
}

__attribute__((destructor)) static void tell(void) {
    const char *path = getenv("FAULT_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file) {
        fprintf(file, "%ld\n", atomic_load(&calls));
        fclose(file);
    }
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int opened(int fd, int flags) {
    struct stat about;
    if (fd >= 0 && fd < 4096) ours[fd] = (flags & O_ACCMODE) != O_RDONLY && fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
    return fd;
}

#define OPEN(name)                                                              \
    int name(const char *path, int flags, ...) {                                \
        va_list rest;                                                           \
        va_start(rest, flags);                                                  \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                           \
        if ((flags & O_ACCMODE) != O_RDONLY && fault()) return -1;              \
        return opened(REAL(name)(path, flags, mode), flags);                    \
    }
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void *bytes, size_t count) {
    if (fd >= 0 && fd < 4096 && ours[fd] && fault()) return -1;
    return REAL(write)(fd, bytes, count);
}

int close(int fd) {
    if (fd >= 0 && fd < 4096) ours[fd] = 0;
    return REAL(close)(fd);
}

int fsync(int fd) { return fault() ? -1 : REAL(fsync)(fd); }
int rename(const char *from, const char *to) { return fault() ? -1 : REAL(rename)(from, to); }
int unlink(const char *path) { return fault() ? -1 : REAL(unlink)(path); }
int unlinkat(int folder, const char *path, int flags) { return fault() ? -1 : REAL(unlinkat)(folder, path, flags); }
int rmdir(const char *path) { return fault() ? -1 : REAL(rmdir)(path); }
int mkdir(const char *path, mode_t mode) { return fault() ? -1 : REAL(mkdir)(path, mode); }
