/* A program that knows nothing of collfs. It reads files below a directory and says of each call on
   each rank "NAME shared", "NAME own", or what went wrong; of calls on names "NAME ok".

       reader DIRECTORY SCENARIO */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <mpi.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __x86_64__
/* What programs linked with a glibc before 2.33 call. */
extern int old_stat(int version, const char* path, struct stat* status);
extern int old_lstat(int version, const char* path, struct stat* status);
extern int old_fstat(int version, int fd, struct stat* status);
__asm__(".symver old_stat,__xstat@GLIBC_2.2.5");
__asm__(".symver old_lstat,__lxstat@GLIBC_2.2.5");
__asm__(".symver old_fstat,__fxstat@GLIBC_2.2.5");
#endif

static const char* directory;
static int rank, size;

static const char* at(const char* name) {
  static char paths[8][PATH_MAX];
  static int turn;
  char* path = paths[turn++ % 8];
  snprintf(path, PATH_MAX, "%s/%s", directory, name);
  return path;
}

static void say(const char* name, const char* what) {
  printf("%s %s\n", name, what);
  fflush(stdout);
}

static void check(const char* name, int good) {
  char text[128] = "ok";
  if (!good) snprintf(text, sizeof text, "is wrong, errno %d", errno);
  say(name, text);
}

/* Where a descriptor leads, whether the contents are right, and closes it. */
static void contents(const char* name, int fd) {
  char link[64], target[PATH_MAX] = "", text[16] = "";
  if (fd < 0) {
    check(name, 0);
    return;
  }
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  if (readlink(link, target, sizeof target - 1) < 0) check(name, 0);
  if (read(fd, text, sizeof text - 1) != 9 || strcmp(text, "contents\n") != 0) check(name, 0);
  say(name, strstr(target, "memfd:collfs") != NULL ? "shared" : "own");
  close(fd);
}

static void stream(const char* name, FILE* file) {
  if (file == NULL) {
    check(name, 0);
    return;
  }
  const int fd = dup(fileno(file));
  char text[16] = "";
  check(name, fgets(text, sizeof text, file) != NULL && strcmp(text, "contents\n") == 0);
  fclose(file);
  lseek(fd, 0, SEEK_SET);
  contents(name, fd);
}

static void opens(void) {
  volatile int reading = O_RDONLY; /* so that fortified calls are made */
  contents("open", open(at("file"), O_RDONLY));
  contents("open64", open64(at("file"), O_RDONLY | O_CLOEXEC));
  contents("__open_2", open(at("file"), reading));
  contents("__open64_2", open64(at("file"), reading));
  contents("openat", openat(AT_FDCWD, at("file"), O_RDONLY));
  contents("openat64", openat64(AT_FDCWD, at("file"), O_RDONLY));
  contents("__openat_2", openat(AT_FDCWD, at("file"), reading));
  contents("__openat64_2", openat64(AT_FDCWD, at("file"), reading));
  stream("fopen", fopen(at("file"), "r"));
  stream("fopen64", fopen64(at("file"), "rbe"));
  check("absent", open(at("absent"), O_RDONLY) == -1 && errno == ENOENT);
  check("absent stream", fopen(at("absent"), "r") == NULL && errno == ENOENT);
  /* By the descriptor of a directory, which is a real one; and from the working directory. */
  const int fd = open(directory, O_RDONLY | O_DIRECTORY);
  const int same = open(directory, O_RDONLY);
  struct stat status;
  check("directory", faccessat(fd, "file", R_OK, 0) == 0 && fchdir(same) == 0);
  contents("openat directory", openat(fd, "file", O_RDONLY));
  contents("relative", open("file", O_RDONLY));
  contents("dots", open("sub/.././file", O_RDONLY));
  contents("linked dots", open("linked/../beside", O_RDONLY));
  check("relative status", stat("file", &status) == 0 && status.st_size == 9);
  check("status at", fstatat(fd, "file", &status, 0) == 0 && status.st_size == 9);
  check("root", chdir("/") == 0);
  close(fd);
  close(same);
  /* What writes is each rank's own. */
  char name[32];
  snprintf(name, sizeof name, "written-%d", rank);
  const int written = open(at(name), O_RDWR | O_CREAT | O_TRUNC, 0640);
  check("write", written >= 0 && write(written, "mine", 4) == 4 && fstat(written, &status) == 0 &&
                     (status.st_mode & 0777) == 0640 && unlink(at(name)) == 0);
  close(written);
}

static int same(const struct stat* a, const struct stat* b) {
  return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
         a->st_mode == b->st_mode && a->st_mtime == b->st_mtime;
}

static void statuses(void) {
  struct stat real, status;
  struct stat64 large;
  struct statx wide;
  check("stat", stat(at("file"), &real) == 0 && real.st_size == 9 && S_ISREG(real.st_mode));
  check("stat64", stat64(at("file"), &large) == 0 && large.st_ino == real.st_ino);
  check("lstat", lstat(at("link"), &status) == 0 && S_ISLNK(status.st_mode));
  check("lstat64", lstat64(at("link"), &large) == 0 && S_ISLNK(large.st_mode));
  check("fstatat", fstatat(AT_FDCWD, at("file"), &status, 0) == 0 && same(&status, &real));
  check("fstatat64", fstatat64(AT_FDCWD, at("file"), &large, 0) == 0 && large.st_size == 9);
  check("statx", statx(AT_FDCWD, at("file"), 0, STATX_BASIC_STATS, &wide) == 0 &&
                     wide.stx_ino == real.st_ino);
  check("absent status", stat(at("absent"), &status) == -1 && errno == ENOENT);
  /* A descriptor's is the file's, not that of its copy. */
  const int fd = open(at("file"), O_RDONLY);
  check("fstat", fstat(fd, &status) == 0 && same(&status, &real));
  check("fstat64", fstat64(fd, &large) == 0 && large.st_ino == real.st_ino);
  check("fstatat empty", fstatat(fd, "", &status, AT_EMPTY_PATH) == 0 && same(&status, &real));
  check("statx empty",
        statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &wide) == 0 && wide.stx_ino == real.st_ino);
#ifdef __x86_64__
  check("__xstat", old_stat(1, at("file"), &status) == 0 && same(&status, &real));
  check("__lxstat", old_lstat(1, at("link"), &status) == 0 && S_ISLNK(status.st_mode));
  check("__fxstat", old_fstat(1, fd, &status) == 0 && same(&status, &real));
  check("old absent", old_stat(1, at("absent"), &status) == -1 && errno == ENOENT);
#endif
  void* const map = mmap(NULL, 9, PROT_READ, MAP_SHARED, fd, 0);
  check("mmap", map != MAP_FAILED && memcmp(map, "contents\n", 9) == 0);
  close(fd);
  /* The number of a descriptor that was shared, and is another file's now. */
  const int other = open("/dev/null", O_RDONLY);
  check("another", dup2(other, fd) == fd && fstat(fd, &status) == 0 && S_ISCHR(status.st_mode));
  if (other != fd) close(other);
  close(fd);
}

static void names(void) {
  char text[PATH_MAX], expected[PATH_MAX];
  volatile size_t bytes = sizeof text;
  volatile size_t few = 2;
  char little[4];
  check("access", access(at("file"), R_OK) == 0 && access(at("absent"), F_OK) == -1);
  check("faccessat", faccessat(AT_FDCWD, at("file"), R_OK, AT_EACCESS) == 0);
  check("euidaccess", euidaccess(at("file"), R_OK) == 0 && eaccess(at("file"), R_OK) == 0);
  check("readlink", readlink(at("link"), text, sizeof text) == 4 && memcmp(text, "file", 4) == 0);
  check("readlinkat",
        readlinkat(AT_FDCWD, at("link"), text, bytes) == 4 && memcmp(text, "file", 4) == 0);
  check("__readlink_chk", readlink(at("link"), little, few) == 2 && memcmp(little, "fi", 2) == 0);
  snprintf(expected, sizeof expected, "%s/file", directory);
  check("realpath", realpath(at("sub/../link"), text) != NULL && strcmp(text, expected) == 0);
  char* found = canonicalize_file_name(at("link"));
  check("canonicalize", found != NULL && strcmp(found, expected) == 0);
  free(found);
  check("absent path", realpath(at("absent"), text) == NULL && errno == ENOENT);
}

static void listings(void) {
  DIR* listing = opendir(at("sub"));
  int entries = 0;
  long third = -1;
  char name[256] = "";
  struct dirent* entry;
  struct stat status;
  while (listing != NULL && (entry = readdir(listing)) != NULL) {
    if (++entries == 3) strcpy(name, entry->d_name);
    if (entries == 2) third = telldir(listing);
  }
  check("readdir", entries == 12);
  if (listing == NULL) return;
  seekdir(listing, third);
  entry = readdir(listing);
  check("seekdir", entry != NULL && strcmp(entry->d_name, name) == 0);
  rewinddir(listing);
  entries = 0;
  while (readdir64(listing) != NULL) entries++;
  check("rewinddir", entries == 12);
  check("dirfd", fstatat(dirfd(listing), "0", &status, 0) == 0 && S_ISREG(status.st_mode));
  check("closedir", closedir(listing) == 0);
  const int fd = open(at("sub"), O_RDONLY | O_DIRECTORY);
  listing = fdopendir(fd);
  for (entries = 0; listing != NULL && readdir(listing) != NULL;) entries++;
  check("fdopendir", entries == 12 && dirfd(listing) == fd && closedir(listing) == 0 &&
                         fcntl(fd, F_GETFD) == -1);
  check("absent directory", opendir(at("absent")) == NULL && errno == ENOENT);
  /* More at a time than can be shared. */
  DIR* many[300];
  int good = 1;
  for (int i = 0; i < 300; i++) good = good && (many[i] = opendir(at("sub"))) != NULL;
  for (int i = 0; i < 300; i++) good = good && readdir(many[i]) != NULL && closedir(many[i]) == 0;
  check("many directories", good);
}

static int isDigitBelow5(const struct dirent* entry) {
  return entry->d_name[0] >= '0' && entry->d_name[0] < '5';
}

static int isDigitBelow5Of64(const struct dirent64* entry) {
  return entry->d_name[0] >= '0' && entry->d_name[0] < '5';
}

static void searches(void) {
  struct dirent** found = NULL;
  struct dirent64** found64 = NULL;
  int count = scandir(at("sub"), &found, NULL, alphasort);
  check("scandir", count == 12 && strcmp(found[0]->d_name, ".") == 0 &&
                       strcmp(found[11]->d_name, "9") == 0 && found[11]->d_type == DT_REG);
  for (int i = 0; i < count; i++) free(found[i]);
  free(found);
  count = scandir64(at("sub"), &found64, isDigitBelow5Of64, alphasort64);
  check("scandir64", count == 5 && strcmp(found64[4]->d_name, "4") == 0);
  for (int i = 0; i < count; i++) free(found64[i]);
  free(found64);
  count = scandir(at("sub"), &found, isDigitBelow5, NULL);
  check("filter", count == 5);
  for (int i = 0; i < count; i++) free(found[i]);
  free(found);
  const int from = open(at("."), O_RDONLY | O_DIRECTORY);
  count = scandirat(from, "sub", &found, NULL, alphasort);
  check("scandirat", count == 12 && strcmp(found[11]->d_name, "9") == 0);
  for (int i = 0; i < count; i++) free(found[i]);
  free(found);
  count = scandirat64(AT_FDCWD, at("sub"), &found64, isDigitBelow5Of64, NULL);
  check("scandirat64", count == 5);
  for (int i = 0; i < count; i++) free(found64[i]);
  free(found64);
  check("scandirat without a directory",
        scandirat(-1, "sub", &found, NULL, NULL) == -1 && errno == EBADF);
  close(from);
  check("absent scandir", scandir(at("absent"), &found, NULL, NULL) == -1 && errno == ENOENT);
  check("no directory", scandir(at("file"), &found, NULL, NULL) == -1 && errno == ENOTDIR);
  glob_t paths = {0};
  check("glob", glob(at("s*b/[0-4]"), 0, NULL, &paths) == 0 && paths.gl_pathc == 5 &&
                    strcmp(paths.gl_pathv[4], at("sub/4")) == 0 &&
                    (paths.gl_flags & GLOB_ALTDIRFUNC) == 0);
  check("glob more",
        glob(at("link"), GLOB_APPEND | GLOB_MARK, NULL, &paths) == 0 && paths.gl_pathc == 6);
  globfree(&paths);
  glob64_t paths64 = {0};
  check("glob64", glob64(at("targe?"), GLOB_MARK, NULL, &paths64) == 0 && paths64.gl_pathc == 1 &&
                      strcmp(paths64.gl_pathv[0], at("target/")) == 0);
  globfree64(&paths64);
  check("no match", glob(at("sub/x*"), 0, NULL, &paths) == GLOB_NOMATCH);
  stream("freopen", freopen(at("file"), "r", fopen("/dev/null", "r")));
  stream("freopen64", freopen64(at("file"), "rb", fopen64("/dev/null", "r")));
  FILE* const before = fopen("/dev/null", "r");
  const int fd = fileno(before);
  check("absent freopen",
        freopen(at("absent"), "r", before) == NULL && errno == ENOENT && fcntl(fd, F_GETFD) == -1);
}

/* What only one rank does, in ways that cannot be collective; the others do not wait, nor does it.
 */

static void inHandler(int number) {
  struct stat status;
  (void)number;
  contents("handler", open(at("file"), O_RDONLY));
  check("handler status", stat(at("file"), &status) == 0 && status.st_size == 9);
}

static void* inThread(void* unused) {
  contents("thread", open(at("file"), O_RDONLY));
  stream("thread stream", fopen(at("file"), "r"));
  return unused;
}

static void inReduction(void* in, void* out, int* count, MPI_Datatype* type) {
  (void)type;
  for (int i = 0; i < *count; i++) ((int*)out)[i] += ((int*)in)[i];
  if (*count > 0) contents("reduction", open(at("file"), O_RDONLY));
}

static void alone(void) {
  static char stack[65536];
  const stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
  struct sigaction action = {.sa_handler = inHandler};
  if (rank == 0) {
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    sigaltstack(&other, NULL);
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    pthread_t thread;
    pthread_create(&thread, NULL, inThread, NULL);
    pthread_join(thread, NULL);
    int status = -1;
    const pid_t child = fork();
    if (child == 0) {
      contents("child", open(at("file"), O_RDONLY));
      execlp("cat", "cat", at("file"), (char*)NULL);
      _exit(1);
    }
    check("exec", waitpid(child, &status, 0) == child && status == 0);
    char command[PATH_MAX + 8];
    snprintf(command, sizeof command, "cat %s", at("file"));
    FILE* const pipe = popen(command, "r");
    char text[16] = "";
    check("popen", pipe != NULL && fgets(text, sizeof text, pipe) != NULL && pclose(pipe) == 0 &&
                       strcmp(text, "contents\n") == 0);
  }
  MPI_Op op;
  int value = 1, sum = 0;
  MPI_Op_create(inReduction, 1, &op);
  MPI_Allreduce(&value, &sum, 1, MPI_INT, op, MPI_COMM_WORLD);
  MPI_Op_free(&op);
  check("sum", sum == size);
  contents("together", open(at("file"), O_RDONLY));
}

/* Every rank its own file: they are read as without collfs. */
static void diverge(void) {
  char name[32];
  snprintf(name, sizeof name, "sub/%d", rank);
  contents("diverged", open(at(name), O_RDONLY));
  contents("together", open(at("file"), O_RDONLY));
  if (rank == 0) contents("one more", open(at("file"), O_RDONLY));
}

static void callers(void) {
  contents("program", open(at("file"), O_RDONLY));
  for (const char* const* name = (const char* const[]){"chosen", "other", "streams", NULL};
       *name != NULL; name++) {
    char library[64];
    snprintf(library, sizeof library, "lib%s.so.1", *name);
    void* const handle = dlopen(at(library), RTLD_NOW);
    int (*const opener)(const char*) =
        handle == NULL ? NULL : (int (*)(const char*))dlsym(handle, "opener");
    if (opener == NULL) {
      say(*name, dlerror());
      continue;
    }
    contents(*name, opener(at("file")));
    dlclose(handle);
  }
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  directory = argv[1];
  contents("before", open(at("file"), O_RDONLY));
  const char* const scenario = argv[2];
  if (strcmp(scenario, "serialized") == 0) {
    int provided;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &provided);
    contents(provided == MPI_THREAD_SERIALIZED ? "serialized" : "more", open(at("file"), O_RDONLY));
  } else {
    MPI_Init(&argc, &argv);
  }
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (strcmp(scenario, "opens") == 0) opens();
  if (strcmp(scenario, "statuses") == 0) statuses();
  if (strcmp(scenario, "names") == 0) names();
  if (strcmp(scenario, "listings") == 0) listings();
  if (strcmp(scenario, "searches") == 0) searches();
  if (strcmp(scenario, "alone") == 0) alone();
  if (strcmp(scenario, "diverge") == 0) diverge();
  if (strcmp(scenario, "late") == 0) {
    if (rank == size - 1) sleep(3);
    contents("late", open(at("file"), O_RDONLY));
    contents("after", open(at("file"), O_RDONLY));
  }
  if (strcmp(scenario, "callers") == 0) callers();
  if (strcmp(scenario, "one") == 0) contents("one", open(at("file"), O_RDONLY));
  MPI_Finalize();
  contents("finalized", open(at("file"), O_RDONLY));
  say("end", "ok");
  return 0;
}
