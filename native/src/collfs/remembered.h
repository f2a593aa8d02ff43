#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "wire.h"

namespace walla::collfs {

/// Answers of root that a rank keeps, so that the same question needs no communication. All ranks
/// of a communicator get the same answers in the same order, so they hold the same ones and each
/// decides alike.
class Remembered {
 public:
  bool on() const { return on_; }
  /// Grows with every change: part of what ranks compare.
  std::uint64_t epoch() const { return epoch_; }

  void turn(bool on) {
    on_ = on;
    drop();
  }
  void drop() {
    answers_.clear();
    absent_.clear();
    ++epoch_;
  }

  const Bytes* answer(const std::string& question) const {
    const auto found = answers_.find(question);
    return found == answers_.end() ? nullptr : &found->second;
  }
  void keep(const std::string& question, const Bytes& answer) {
    if (on_) answers_.insert_or_assign(question, answer);
  }

  /// There is nothing behind this name (links followed).
  bool absent(const std::string& path) const { return absent_.count(path) > 0; }
  void keepAbsent(const std::string& path) {
    if (on_) absent_.insert(path);
  }

 private:
  bool on_ = false;
  std::uint64_t epoch_ = 0;
  std::unordered_map<std::string, Bytes> answers_;
  std::unordered_set<std::string> absent_;
};

}  // namespace walla::collfs
