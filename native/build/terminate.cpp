// In the place of libstdc++'s handler of what nobody catches: that one brings a decoder of C++
// names with it, 47 KB that each rank would read.

#include <cstdio>
#include <cstdlib>
#include <exception>

namespace __gnu_cxx {

void __verbose_terminate_handler() {
  try {
    if (std::current_exception()) throw;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "walla: nobody caught an exception: %s\n", error.what());
  } catch (...) {
    std::fputs("walla: nobody caught an exception\n", stderr);
  }
  std::abort();
}

}  // namespace __gnu_cxx
