// System calls that Swift cannot see: behind _GNU_SOURCE, or variadic.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <unistd.h>

// Opens the descriptors 0, 1 and 2 that this process was started without, so that no file of ours becomes one of them.
// What is written to such an output is an error.
static inline void retort_open_standard(void) {
  int file;
  while ((file = open("/dev/null", O_RDONLY)) >= 0 && file <= 2) {
  }
  if (file > 2) close(file);
}

// Standard output; -1 and errno where it was not written.
static inline int retort_flush(void) { return fflush(stdout); }
static inline int retort_print(const void *bytes, size_t count) {
  return fwrite(bytes, 1, count, stdout) == count ? 0 : -1;
}

// Standard error; where that is lost there is nobody to tell.
static inline void retort_complain(const char *text) {
  fflush(stdout);
  fputs(text, stderr);
}

#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

long syscall(long number, ...);
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *actions, const char *path);
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int from);

enum {
  RETORT_SPAWN_NEW_SESSION = 0x80,       // POSIX_SPAWN_SETSID
  RETORT_SPAWN_CLOSE_OTHERS = 0x0,
};

// Exchanges what two names in open folders stand for, at once; -1 and errno where the filesystem cannot.
static inline int retort_exchange(int folder, const char *one, int other_folder, const char *other) {
  return (int)syscall(SYS_renameat2, folder, one, other_folder, other, 2 /* RENAME_EXCHANGE */);
}

// Leaves the descriptors from `from` on closed in the child.
static inline int retort_spawn_close_from(posix_spawn_file_actions_t *actions, int from) {
  return posix_spawn_file_actions_addclosefrom_np(actions, from);
}

// From now on descendants whose parents end become children of this process.
static inline int retort_adopt_orphans(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }

// Whether somebody may yet write to a file of this user's that is open here for reading: it is open for writing, or
// mapped so, anywhere. Where the system cannot tell, somebody may. A lease is granted only on a file without writers.
static inline int retort_has_writers(int file) {
  const int set_signal = 10, set_lease = 1024;  // F_SETSIG, F_SETLEASE
  // Whoever opens the file meanwhile has this process told, by a signal that would end it, unless it is this one.
  if (fcntl(file, set_signal, SIGURG) != 0 || fcntl(file, set_lease, F_RDLCK) != 0) return 1;
  return fcntl(file, set_lease, F_UNLCK) != 0;
}

// The filesystem's magic number as in statfs(2); 0 where it cannot be asked.
static inline unsigned retort_filesystem(const char *path) {
  struct statfs status;
  return statfs(path, &status) == 0 ? (unsigned)status.f_type : 0;
}
#else
enum {
  RETORT_SPAWN_NEW_SESSION = POSIX_SPAWN_SETSID,
  RETORT_SPAWN_CLOSE_OTHERS = POSIX_SPAWN_CLOEXEC_DEFAULT,
};

static inline int retort_exchange(int folder, const char *one, int other_folder, const char *other) {
  return renameatx_np(folder, one, other_folder, other, RENAME_SWAP);
}

static inline int retort_spawn_close_from(posix_spawn_file_actions_t *actions, int from) {
  (void)actions, (void)from;
  return 0;
}

static inline int retort_adopt_orphans(void) { return 0; }

static inline int retort_has_writers(int file) {
  (void)file;
  return 1;
}

static inline unsigned retort_filesystem(const char *path) {
  (void)path;
  return 0;
}
#endif
