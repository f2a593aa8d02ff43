#pragma once

#include <cstddef>
#include <cstdint>

// Numbers of the index, version 1. The bytes are described in docs/format.md; the writer has the
// same numbers in stage/format/index-layout.ts.

namespace walla::layout {

constexpr char kMagic[] = "WALLAIDX";
constexpr uint32_t kVersion = 1;
constexpr uint32_t kHeaderBytes = 128;
constexpr uint32_t kEntryBytes = 64;
constexpr uint32_t kPathSlotBytes = 8;
constexpr uint32_t kListingBytes = 16;
constexpr uint32_t kResolutionSlotBytes = 32;
constexpr uint32_t kNone = 0xffffffff;

/// Offset and count of a section stand in the header from here on, 16 bytes each, in the order of
/// the enumeration.
constexpr uint32_t kSectionsAt = 32;
enum Section { kEntries, kPathSlots, kListings, kResolutions, kStrings, kSectionCount };

constexpr char kManifestName[] = ".walla/manifest.json";
constexpr char kIndexName[] = ".walla/index";

constexpr uint8_t kFlagElf = 1;
constexpr uint8_t kFlagComplete = 2;
constexpr uint8_t kFlagFrozen = 4;
constexpr uint8_t kFlagAscii = 8;
constexpr uint8_t kFlagUtf8 = 16;

constexpr uint8_t kKindImport = 1;
constexpr uint8_t kKindRequire = 2;

constexpr uint8_t kOutcomeFile = 1;
constexpr uint8_t kOutcomeBuiltin = 2;
constexpr uint8_t kOutcomeAbsent = 3;

}  // namespace walla::layout
