// Lets what is linked on a new system run on one with an older glibc. The linker option --wrap
// sends each call of NAME, from libstdc++'s archive too, to __wrap_NAME here, and that to the
// version of NAME that glibc has had since the machine's first: the symbol of the same name and the
// number below, which every later glibc keeps.
//
// fstat and its kin were functions of other names before 2.33; pthread_* moved into libc in 2.34,
// which gave them a new version; pthread_cond_clockwait came in 2.30; __libc_single_threaded,
// in 2.32, only saves time.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#if defined(__x86_64__)
#define FIRST "GLIBC_2.2.5"
#define FIRST_STATAT "GLIBC_2.4"
#define STAT_VERSION 1
#elif defined(__aarch64__)
#define FIRST "GLIBC_2.17"
#define FIRST_STATAT FIRST
#define STAT_VERSION 0
#else
#error "the first version of glibc for this machine is not known here"
#endif

#define OLD(type, name, symbol, ...)     \
  extern type first_##name(__VA_ARGS__); \
  __asm__(".symver first_" #name "," symbol)
#define WRAP(type, name, call, ...)              \
  OLD(type, name, #name "@" FIRST, __VA_ARGS__); \
  type __wrap_##name(__VA_ARGS__) { return first_##name call; }

WRAP(void*, dlopen, (file, mode), const char* file, int mode)
WRAP(char*, dlerror, (), void)
WRAP(void*, dlsym, (handle, name), void* handle, const char* name)
WRAP(int, dladdr, (address, info), const void* address, Dl_info* info)
WRAP(int, pthread_create, (thread, attributes, start, argument), pthread_t* thread,
     const pthread_attr_t* attributes, void* (*start)(void*), void* argument)
WRAP(int, pthread_join, (thread, result), pthread_t thread, void** result)
WRAP(int, pthread_detach, (thread), pthread_t thread)
WRAP(int, pthread_once, (control, init), pthread_once_t* control, void (*init)(void))
WRAP(int, pthread_sigmask, (how, set, old), int how, const sigset_t* set, sigset_t* old)
WRAP(int, pthread_key_create, (key, destructor), pthread_key_t* key, void (*destructor)(void*))
WRAP(int, __pthread_key_create, (key, destructor), pthread_key_t* key, void (*destructor)(void*))
WRAP(int, pthread_key_delete, (key), pthread_key_t key)
WRAP(void*, pthread_getspecific, (key), pthread_key_t key)
WRAP(int, pthread_setspecific, (key, value), pthread_key_t key, const void* value)

OLD(int, xstat, "__xstat@" FIRST, int version, const char* path, struct stat* status);
OLD(int, lxstat, "__lxstat@" FIRST, int version, const char* path, struct stat* status);
OLD(int, fxstat, "__fxstat@" FIRST, int version, int fd, struct stat* status);
OLD(int, fxstatat, "__fxstatat@" FIRST_STATAT, int version, int fd, const char* path,
    struct stat* status, int flags);

int __wrap_stat(const char* path, struct stat* status) {
  return first_xstat(STAT_VERSION, path, status);
}
int __wrap_lstat(const char* path, struct stat* status) {
  return first_lxstat(STAT_VERSION, path, status);
}
int __wrap_fstat(int fd, struct stat* status) { return first_fxstat(STAT_VERSION, fd, status); }
int __wrap_fstatat(int fd, const char* path, struct stat* status, int flags) {
  return first_fxstatat(STAT_VERSION, fd, path, status, flags);
}

/// The wait until a time of `clock`, as one until the same time of the clock that the condition
/// has.
int __wrap_pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                  clockid_t clock, const struct timespec* until) {
  struct timespec here, there;
  if (clock_gettime(clock, &here) != 0 || clock_gettime(CLOCK_REALTIME, &there) != 0) return EINVAL;
  there.tv_sec += until->tv_sec - here.tv_sec;
  there.tv_nsec += until->tv_nsec - here.tv_nsec;
  while (there.tv_nsec < 0) there.tv_sec -= 1, there.tv_nsec += 1000000000;
  while (there.tv_nsec >= 1000000000) there.tv_sec += 1, there.tv_nsec -= 1000000000;
  return pthread_cond_timedwait(condition, mutex, &there);
}

/// libstdc++ reads it to leave out atomic operations. False: never.
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;
