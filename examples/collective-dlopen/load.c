/* Loads the modules of a directory and calls each: load DIRECTORY COUNT. Knows nothing of collfs. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: load DIRECTORY COUNT\n");
    return 2;
  }
  long sum = 0;
  for (int i = 1; i <= atoi(argv[2]); i++) {
    char name[4096];
    snprintf(name, sizeof name, "%s/libmodule_%04d.so", argv[1], i);
    void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    int (*entry)(void) = library == NULL ? NULL : (int (*)(void))dlsym(library, "entry");
    if (entry == NULL) {
      fprintf(stderr, "%s\n", dlerror());
      return 1;
    }
    sum += entry();
  }
  printf("sum %ld\n", sum);
  return 0;
}
