#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace walla {

/// A system call that failed: its errno, its name and what it was asked to work on.
class PosixError : public std::runtime_error {
 public:
  PosixError(int code, std::string_view call, std::string_view object);

  int code() const noexcept { return code_; }
  const std::string& call() const noexcept { return call_; }
  const std::string& object() const noexcept { return object_; }

 private:
  int code_;
  std::string call_;
  std::string object_;
};

/// Throws PosixError with the present errno.
[[noreturn]] void throwErrno(std::string_view call, std::string_view object);

/// Symbolic name of an errno ('ENOSPC'); 'EUNKNOWN' for one that has no name here.
const char* errnoName(int code) noexcept;

/// What to call an open descriptor in a message: its path as the kernel knows it, else its number.
std::string describeFd(int fd);

}  // namespace walla
