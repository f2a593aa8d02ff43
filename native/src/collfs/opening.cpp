#include "opening.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <new>
#include <optional>
#include <utility>

#include "found.h"
#include "node_copies.h"
#include "open_files.h"
#include "source.h"

namespace walla::collfs {
namespace {

/// One open, of one file or many, on one rank. Root's answer is either complete, contents included,
/// or it is followed by a body, and then all ranks agree once more.
class Opening {
 public:
  Opening(Level& level, const Call& call, const std::vector<Place>& places, int flags)
      : level_(level), call_(call), places_(places), flags_(flags) {}

  std::vector<Opened> run() {
    Answer answer;
    do {
      answer = level_.round(
          call_, readiness(), true, [this](Answer& each) { ask(each); },
          [this](Answer& each) { serveNode(each); },
          [this] {
            if (single() && level_.isHead())
              level_.nextCopy().prepareSpare(level_.ownDescriptors());
          });
      if (!level_.isHead()) takeFromHead(answer);
    } while (answer.trouble.kind == Trouble::kStale);
    throwFailure(call_, answer.trouble);
    Reader reader(answer.common);
    const AnswerStart start = getStart(reader);
    const bool complete = start.later == 0;
    parse(complete ? reader.rest() : level_.fetch(call_, header_, start.later));
    if (start.copies > 0) {
      const bool fileSystemError = receive(start.copies);
      if (fileSystemError) return std::vector<Opened>(places_.size(), {-1, rootError_, 0});
    } else {
      handOutInline();
      // What has had its memory beforehand needs no word more.
      if (single() && found_[0].isFile() && opened_[0].bytes > kGuaranteedBytes) conclude();
      if (unfilled_.kind != Trouble::kNone) closeAll();
      throwFailure(call_, unfilled_);
    }
    keepRecords();
    return std::move(opened_);
  }

 private:
  bool single() const { return places_.size() == 1; }

  Trouble readiness() {
    // Many files have no descriptors beforehand: they agree afterwards.
    if (!single()) return {};
    const int code = level_.nextCopy().prepare(level_.isHead(), level_.headDescriptors());
    Trouble trouble;
    trouble.errorNumber = code;
    if (code != 0) trouble.kind = code == ESTALE ? Trouble::kStale : Trouble::kLocal;
    return trouble;
  }

  /// On root: looks at the names.
  void ask(Answer& answer) {
    sources_.clear();
    sources_.reserve(places_.size());
    header_.clear();
    AnswerStart start;
    for (const Place& place : places_) {
      sources_.push_back(
          openSource(place.directoryFd, place.path, flags_, level_.ownDescriptors()));
      const Source& source = sources_.back();
      putFound(header_, source);
      if (source.errorNumber == 0 && source.type == SourceType::file) ++start.copies;
    }
    const Source& first = sources_[0];
    if (single() && start.copies == 1 && first.inMemory && first.content.size() <= kInlineBytes) {
      start.copies = 0;
      answer.content = first.content;
    }
    const bool fits = header_.size() + answer.content.size() + 64 <= kLargestAnswer;
    if (!fits) start.later = header_.size();
    putStart(answer.common, start);
    if (fits) answer.common.insert(answer.common.end(), header_.begin(), header_.end());
  }

  /// On a head, before the others of its node go on: makes the copies that they are to open.
  void serveNode(Answer& answer) {
    NextCopy& next = level_.nextCopy();
    if (answer.good()) {
      Reader reader(answer.common);
      const AnswerStart start = getStart(reader);
      if (start.copies > 0) {
        makeCopies(start.copies);
      } else if (single() && start.later == 0) {
        if (getFound(reader).isFile()) {
          own_ = next.takeReadable();
          note(unfilled_, next.fill(answer.content));
          body_ = unfilled_;
        }
      }
    }
    // For the next open. If that fails, the next open tries again, and says so.
    if (single()) next.prepare(true, level_.ownDescriptors());
    next.announce(answer.forNode);
    put(answer.forNode, unfilled_.errorNumber);
    put(answer.forNode, getpid());
    for (std::size_t i = 0; i < copies_.count(); ++i) put(answer.forNode, copies_.fd(i));
  }

  void makeCopies(std::uint32_t count) {
    if (!single()) {
      body_ = copies_.make(count);
      return;
    }
    own_ = level_.nextCopy().takeReadable();
    body_ = copies_.take(level_.nextCopy().takeWritable());
  }

  /// On the other ranks of a node.
  void takeFromHead(const Answer& answer) {
    Reader reader(answer.forNode);
    if (answer.good() && single()) own_ = level_.nextCopy().takeReadable();
    level_.nextCopy().hear(reader);
    note(unfilled_, reader.get<std::int32_t>());
    headProcess_ = reader.get<pid_t>();
    const Bytes fds = reader.rest();
    Reader numbers(fds);
    for (std::size_t i = 0; i < fds.size() / sizeof(int); ++i)
      headFds_.push_back(numbers.get<int>());
  }

  void parse(const Bytes& blob) {
    Reader reader(blob);
    opened_.resize(places_.size());
    for (std::size_t i = 0; i < places_.size(); ++i) {
      found_.push_back(getFound(reader));
      Found& found = found_.back();
      if (found.errorNumber == 0 && found.type == SourceType::other) {
        found.errorNumber = ENXIO;
        if (single()) {
          throw Failure(ERR_COLLFS_TYPE, ENXIO, level_.root(),
                        call_.text() + ": neither a regular file nor a directory",
                        "open it with an empty stack, or with libc's open");
        }
      }
      opened_[i].errorNumber = found.errorNumber;
      opened_[i].bytes = found.isFile() ? found.status.stx_size : 0;
    }
  }

  /// A complete answer: nothing can fail any more.
  void handOutInline() {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (found_[i].isFile()) opened_[i].fd = own_.release();
      if (found_[i].isDirectory()) handOutDirectory(i);
      if (opened_[i].fd >= 0) setFlags(opened_[i].fd);
    }
    // A name without a file leaves the descriptor for the next open.
    if (own_.valid()) level_.nextCopy().giveBack(std::move(own_));
  }

  void handOutDirectory(std::size_t i) {
    if (single()) {
      // In the place of the descriptor that was there beforehand.
      UniqueFd place = own_.valid() ? std::move(own_) : level_.nextCopy().takeReadable();
      if (dup3(level_.emptyDirectory(), place.get(), O_CLOEXEC) >= 0)
        opened_[i].fd = place.release();
    } else {
      opened_[i].fd = fcntl(level_.emptyDirectory(), F_DUPFD_CLOEXEC, 0);
    }
    if (opened_[i].fd < 0) note(body_, errno);
  }

  /// The rest of an answer that is not complete. @returns true if root's file system failed
  bool receive(std::uint32_t copies) {
    std::vector<UniqueFd> descriptors(copies);
    if (level_.isHead()) {
      body_ = copies_.fill(level_, found_, sources_, body_);
      for (std::size_t i = 0; i < copies; ++i)
        openCopy(descriptors[i], ProcessDescriptors::kOwn, copies_.fd(i));
    } else {
      for (std::size_t i = 0; i < copies; ++i) openCopy(descriptors[i], headProcess_, headFds_[i]);
    }
    std::size_t next = 0;
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (found_[i].isFile()) opened_[i].fd = descriptors[next++].release();
      if (found_[i].isDirectory()) handOutDirectory(i);
      if (opened_[i].fd >= 0) setFlags(opened_[i].fd);
    }
    return !conclude();
  }

  /// All ranks have what they need, or none has. @returns false if root's file system failed
  bool conclude() {
    try {
      const Trouble trouble = level_.conclude(call_, body_);
      rootError_ = trouble.errorNumber;
      if (trouble.kind == Trouble::kNone) return true;
    } catch (...) {
      closeAll();
      throw;
    }
    closeAll();
    return false;
  }

  void openCopy(UniqueFd& descriptor, pid_t process, int fd) {
    if (single()) {
      descriptor = std::move(own_);
      return;
    }
    if (fd < 0) return;  // its head says why
    descriptor = level_.headDescriptors().open(process, fd);
    if (!descriptor.valid()) note(body_, errno);
  }

  void setFlags(int fd) const {
    if ((flags_ & O_CLOEXEC) == 0) fcntl(fd, F_SETFD, 0);
  }

  void closeAll() {
    for (Opened& each : opened_) {
      if (each.fd >= 0) close(each.fd);
      each.fd = -1;
    }
  }

  void keepRecords() {
    for (std::size_t i = 0; i < places_.size(); ++i) {
      if (opened_[i].fd < 0) continue;
      OpenFile file;
      file.status = found_[i].status;
      file.path = places_[i].shown;
      file.directory = found_[i].isDirectory();
      if (file.directory && level_.atRoot()) file.absolute = absoluteOf(places_[i]);
      remember(opened_[i].fd, std::move(file));
    }
  }

  Level& level_;
  const Call& call_;
  const std::vector<Place>& places_;
  const int flags_;

  /// On root.
  std::vector<Source> sources_;
  Bytes header_;
  /// On heads: to be written to.
  NodeCopies copies_;
  /// On others: their head's.
  pid_t headProcess_ = 0;
  std::vector<int> headFds_;
  /// This rank's descriptor of a single file.
  UniqueFd own_;
  /// A node's copy of a small file that could not be written.
  Trouble unfilled_;
  /// What has gone wrong here since root's answer.
  Trouble body_;
  int rootError_ = 0;
  std::vector<Found> found_;
  std::vector<Opened> opened_;
};

}  // namespace

std::vector<Opened> openAll(Level& level, const Call& call, const std::vector<Place>& places,
                            int flags) {
  return Opening(level, call, places, flags).run();
}

}  // namespace walla::collfs
