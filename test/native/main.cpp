#include <cstdio>

#include "check.h"

std::vector<Test>& allTests() {
  static std::vector<Test> tests;
  return tests;
}

int main() {
  int failures = 0;
  for (const Test& test : allTests()) {
    try {
      test.run();
      std::printf("ok   %s\n", test.name);
    } catch (const std::exception& error) {
      ++failures;
      std::printf("FAIL %s\n     %s\n", test.name, error.what());
    }
    std::fflush(stdout);
  }
  std::printf("%zu tests, %d failed\n", allTests().size(), failures);
  return failures == 0 ? 0 : 1;
}
