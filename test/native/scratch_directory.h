#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "../../native/src/private_directory.h"
#include "../../native/src/unique_fd.h"

/// A directory of mode 0700 that goes with the object, and files in it.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    char name[] = "/tmp/walla-native-test-XXXXXX";
    if (mkdtemp(name) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = name;
    fd_ = walla::UniqueFd(open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory() { walla::removeTree(parent(), base()); }

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  std::string at(const std::string& name) const { return path_ + "/" + name; }

  /// Writes a file. @returns open for reading and writing
  walla::UniqueFd write(const std::string& name, const std::string& content) const {
    walla::UniqueFd file(open(at(name).c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file.valid() || ::write(file.get(), content.data(), content.size()) !=
                             static_cast<ssize_t>(content.size())) {
      throw std::runtime_error("cannot write " + at(name));
    }
    return file;
  }
  std::string read(const std::string& name) const {
    const walla::UniqueFd file(open(at(name).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) throw std::runtime_error("cannot read " + at(name));
    std::string content;
    char block[65536];
    for (ssize_t got; (got = ::read(file.get(), block, sizeof block)) > 0;) {
      content.append(block, static_cast<size_t>(got));
    }
    return content;
  }

 private:
  int parent() {
    parent_ = walla::UniqueFd(open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return parent_.get();
  }
  std::string base() const { return path_.substr(path_.rfind('/') + 1); }

  std::string path_;
  walla::UniqueFd fd_;
  walla::UniqueFd parent_;
};
