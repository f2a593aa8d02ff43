/* Four threads load and unload the same libraries, again and again.

       loads LIBRARY... */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static char** names;
static int count;

static void* load(void* first) {
  for (int turn = 0; turn < 20; turn++) {
    for (int i = 0; i < count; i++) {
      void* const library = dlopen(names[(i + *(int*)first) % count], RTLD_NOW | RTLD_LOCAL);
      int (*const one)(void) = library == NULL ? NULL : (int (*)(void))dlsym(library, "one");
      if (one == NULL || one() != 1) {
        puts(dlerror());
        exit(1);
      }
      dlclose(library);
    }
  }
  return NULL;
}

int main(int argc, char** argv) {
  pthread_t threads[4];
  int first[4];
  names = argv + 1;
  count = argc - 1;
  for (int i = 0; i < 4; i++) {
    first[i] = i;
    if (pthread_create(&threads[i], NULL, load, &first[i]) != 0) return 1;
  }
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  puts("ok");
  return 0;
}
