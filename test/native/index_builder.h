#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "../../native/src/index_layout.h"

/// Writes index bytes for tests, from a description of the tree. Nothing is checked, so that wrong
/// indexes can be made too.
class IndexBuilder {
 public:
  struct Node {
    std::string path;
    uint32_t mode = S_IFREG | 0644;
    std::string data;
    int64_t mtimeNs = 0;
    std::string linkText;
    std::string linkTarget;  // path; no such entry: NONE
    uint8_t format = 0;
    uint8_t flags = 0;
    std::vector<std::pair<std::string, uint8_t>> unpacked;  // children listed but not packed
  };
  struct Rule {
    std::string directory;
    std::string specifier;
    uint8_t kind;
    uint8_t outcome;
    std::string target;
    std::string text;
  };

  IndexBuilder& file(std::string path, std::string data, uint8_t flags = 0);
  IndexBuilder& directory(std::string path, uint8_t flags,
                          std::vector<std::pair<std::string, uint8_t>> unpacked = {});
  IndexBuilder& link(std::string path, std::string text, std::string target);
  IndexBuilder& rule(Rule rule);
  Node& node(const std::string& path) { return nodes_.at(path); }
  /// Number that the entry gets.
  uint32_t number(const std::string& path) const;

  /// The whole archive: tar headers, manifest, index, data (without headers of its own).
  std::string archive();
  /// The index of that archive alone; `imageBytes` gets the archive's size.
  std::string index(uint64_t* imageBytes);

 private:
  std::string build(uint64_t dataStart, uint64_t imageBytes);
  uint64_t dataBytes() const;

  std::map<std::string, Node> nodes_;
  std::vector<Rule> rules_;
};
