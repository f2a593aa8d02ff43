// What root found under the names of an open, as its answer says it: pure format.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <vector>

#include "source.h"
#include "wire.h"

namespace walla::collfs {

struct Found {
  int errorNumber = 0;
  SourceType type = SourceType::none;
  struct statx status {};
  std::vector<Extent> extents;

  bool isFile() const { return errorNumber == 0 && type == SourceType::file; }
  bool isDirectory() const { return errorNumber == 0 && type == SourceType::directory; }
};

void putFound(Bytes& bytes, const Source& source);
Found getFound(Reader& reader);

/// In front of root's answer.
struct AnswerStart {
  /// Bytes of all that was found, which come later as they are too many for one answer; else 0.
  std::uint64_t later = 0;
  /// Files whose contents come later.
  std::uint32_t copies = 0;
};

void putStart(Bytes& bytes, const AnswerStart& start);
AnswerStart getStart(Reader& reader);

}  // namespace walla::collfs
