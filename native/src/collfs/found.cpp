#include "found.h"

namespace walla::collfs {

void putFound(Bytes& bytes, const Source& source) {
  put(bytes, static_cast<std::int32_t>(source.errorNumber));
  put(bytes, source.type);
  put(bytes, source.status);
  put(bytes, static_cast<std::uint64_t>(source.extents.size()));
  for (const Extent& extent : source.extents) put(bytes, extent);
}

Found getFound(Reader& reader) {
  Found found;
  found.errorNumber = reader.get<std::int32_t>();
  found.type = reader.get<SourceType>();
  found.status = reader.get<struct statx>();
  found.extents.resize(reader.get<std::uint64_t>());
  for (Extent& extent : found.extents) extent = reader.get<Extent>();
  return found;
}

void putStart(Bytes& bytes, const AnswerStart& start) {
  put(bytes, start.later);
  put(bytes, start.copies);
}

AnswerStart getStart(Reader& reader) {
  AnswerStart start;
  start.later = reader.get<std::uint64_t>();
  start.copies = reader.get<std::uint32_t>();
  return start;
}

}  // namespace walla::collfs
