#include "names.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>

#include "../unique_fd.h"
#include "source.h"

namespace walla::collfs {
namespace {

/// Answers begin with an errno.
int errorOf(const Bytes& answer) { return Reader(answer).get<std::int32_t>(); }

void putError(Bytes& bytes, int code) { put(bytes, static_cast<std::int32_t>(code)); }

bool followsLinks(int flags) { return (flags & AT_SYMLINK_NOFOLLOW) == 0; }

/// Asks root unless the answer is remembered.
Bytes ask(Level& level, Measure& measure, const Call& call, const Place& place, bool follows,
          const std::function<Bytes()>& work) {
  Remembered& known = level.remembered();
  const bool keeps = known.on() && place.fixed;
  const std::string question = keeps ? call.text() : "";
  if (keeps) {
    if (follows && known.absent(place.shown)) {
      measure.remembered();
      Bytes answer;
      putError(answer, ENOENT);
      return answer;
    }
    if (const Bytes* const answer = known.answer(question)) {
      measure.remembered();
      return *answer;
    }
  }
  measure.communicated();
  Bytes answer = level.ask(call, work);
  if (!keeps) return answer;
  const int code = errorOf(answer);
  // An error of the moment (EIO, ENOMEM) is none to keep.
  if (code == 0 || code == ENOENT || code == ENOTDIR || code == EACCES)
    known.keep(question, answer);
  // What is not there as a link is not there behind it either.
  if (code == ENOENT) known.keepAbsent(place.shown);
  return answer;
}

}  // namespace

int askStatus(Level& level, Measure& measure, Operation operation, const Place& place, int flags,
              unsigned mask, struct statx& status) {
  // The mask is compared, too, though only statx gives a choice.
  const Call call{operation, place.shown, flags, mask};
  const Bytes answer = ask(level, measure, call, place, followsLinks(flags), [&] {
    Bytes bytes;
    struct statx found {};
    const bool good = statx(place.directoryFd, place.path.c_str(), flags, mask, &found) == 0;
    putError(bytes, good ? 0 : errno);
    if (good) put(bytes, found);
    return bytes;
  });
  Reader reader(answer);
  const int code = reader.get<std::int32_t>();
  if (code == 0) status = reader.get<struct statx>();
  return code;
}

int askAccess(Level& level, Measure& measure, const Place& place, int mode, int flags) {
  const Call call{Operation::access, place.shown, flags, static_cast<std::uint64_t>(mode)};
  return errorOf(ask(level, measure, call, place, followsLinks(flags), [&] {
    Bytes bytes;
    const bool good = faccessat(place.directoryFd, place.path.c_str(), mode, flags) == 0;
    putError(bytes, good ? 0 : errno);
    return bytes;
  }));
}

int askLink(Level& level, Measure& measure, const Place& place, std::string& target) {
  const Call call{Operation::readlink, place.shown};
  // Not through `absent`: the link itself may be there.
  const Bytes answer = ask(level, measure, call, place, false, [&] {
    Bytes bytes;
    char text[PATH_MAX];
    const ssize_t length = readlinkat(place.directoryFd, place.path.c_str(), text, sizeof text);
    putError(bytes, length >= 0 ? 0 : errno);
    if (length >= 0) putString(bytes, std::string(text, static_cast<std::size_t>(length)));
    return bytes;
  });
  Reader reader(answer);
  const int code = reader.get<std::int32_t>();
  if (code == 0) target = reader.getString();
  return code;
}

int askRealPath(Level& level, Measure& measure, const Place& place, std::string& resolved) {
  const Call call{Operation::realpath, place.shown};
  const Bytes answer = ask(level, measure, call, place, true, [&] {
    Bytes bytes;
    char text[PATH_MAX];
    const bool good = realpath(place.path.c_str(), text) != nullptr;
    putError(bytes, good ? 0 : errno);
    if (good) putString(bytes, text);
    return bytes;
  });
  Reader reader(answer);
  const int code = reader.get<std::int32_t>();
  if (code == 0) resolved = reader.getString();
  return code;
}

int readListing(int directoryFd, const char* path, Bytes& listing) {
  UniqueFd fd(openat(directoryFd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK));
  DIR* const stream = fd.valid() ? fdopendir(fd.get()) : nullptr;
  if (stream == nullptr) return errno;
  fd.release();
  errno = 0;
  while (const dirent* const entry = readdir(stream)) {
    put(listing, static_cast<std::uint64_t>(entry->d_ino));
    put(listing, static_cast<std::uint8_t>(entry->d_type));
    putString(listing, entry->d_name);
    errno = 0;
  }
  const int code = errno;
  closedir(stream);
  return code;
}

int askListing(Level& level, Measure& measure, const Place& place, Bytes& listing) {
  const Call call{Operation::opendir, place.shown};
  const Bytes answer = ask(level, measure, call, place, true, [&] {
    Bytes bytes;
    Bytes entries;
    const int code = readListing(place.directoryFd, place.path.c_str(), entries);
    putError(bytes, code);
    if (code == 0) bytes.insert(bytes.end(), entries.begin(), entries.end());
    return bytes;
  });
  Reader reader(answer);
  const int code = reader.get<std::int32_t>();
  if (code == 0) listing = reader.rest();
  return code;
}

std::vector<NameStatus> askStatuses(Level& level, const Call& call,
                                    const std::vector<Place>& places, int flags) {
  const Bytes answer = level.ask(call, [&] {
    Bytes bytes;
    for (const Place& place : places) {
      NameStatus found{};
      const bool good =
          statx(place.directoryFd, place.path.c_str(), flags, kMoreThanBasic, &found.status) == 0;
      found.errorNumber = good ? 0 : errno;
      put(bytes, found);
    }
    return bytes;
  });
  Reader reader(answer);
  std::vector<NameStatus> statuses;
  for (std::size_t i = 0; i < places.size(); ++i) statuses.push_back(reader.get<NameStatus>());
  return statuses;
}

void rememberOpened(Level& level, const Place& place, int errorNumber) {
  if (place.fixed && errorNumber == ENOENT) level.remembered().keepAbsent(place.shown);
}

std::uint64_t hashOf(const std::vector<Place>& places) {
  CallHash hash;
  for (const Place& place : places) hash.add(place.shown);
  return hash.value();
}

}  // namespace walla::collfs
