#pragma once

#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

// A test registers itself; a failed check ends it and says where. main.cpp runs them all.

struct Test {
  const char* name;
  void (*run)();
};

std::vector<Test>& allTests();

struct Registration {
  Registration(const char* name, void (*run)()) { allTests().push_back({name, run}); }
};

struct CheckFailed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

[[noreturn]] inline void failCheck(const char* file, int line, const std::string& what) {
  throw CheckFailed(std::string(file) + ":" + std::to_string(line) + ": " + what);
}

template <typename A, typename B>
void checkEqual(const A& a, const B& b, const char* file, int line, const char* text) {
  if (a == b) return;
  std::ostringstream what;
  what << text << ": " << a << " is not " << b;
  failCheck(file, line, what.str());
}

#define TEST_JOIN2(a, b) a##b
#define TEST_JOIN(a, b) TEST_JOIN2(a, b)
#define TEST(name)                                                                              \
  static void TEST_JOIN(test, __LINE__)();                                                      \
  static const Registration TEST_JOIN(registration, __LINE__)(name, TEST_JOIN(test, __LINE__)); \
  static void TEST_JOIN(test, __LINE__)()

#define CHECK(condition) ((condition) ? void() : failCheck(__FILE__, __LINE__, #condition))
#define CHECK_EQUAL(a, b) checkEqual((a), (b), __FILE__, __LINE__, #a)

/// Checks that an expression throws `type` and that `holds`, which may name it `error`, is true.
#define CHECK_THROWS(expression, type, holds)                                     \
  do {                                                                            \
    bool thrown = false;                                                          \
    try {                                                                         \
      (void)(expression);                                                         \
    } catch (const type& error) {                                                 \
      (void)error;                                                                \
      thrown = true;                                                              \
      if (!(holds)) failCheck(__FILE__, __LINE__, error.what());                  \
    }                                                                             \
    if (!thrown) failCheck(__FILE__, __LINE__, "no " #type " from " #expression); \
  } while (false)
