#include "../../native/src/sha256.h"

#include <random>
#include <string>

#include "check.h"

using walla::Sha256;

namespace {

std::string digestOf(const std::string& text, Sha256::Engine engine) {
  Sha256 hash(engine);
  hash.update(text.data(), text.size());
  return hash.finishHex();
}

void checkVectors(Sha256::Engine engine) {
  CHECK_EQUAL(digestOf("", engine),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK_EQUAL(digestOf("abc", engine),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK_EQUAL(digestOf("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", engine),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK_EQUAL(digestOf("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                       "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
                       engine),
              "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  CHECK_EQUAL(digestOf(std::string(1000000, 'a'), engine),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

}  // namespace

TEST("sha256: the portable code gives the NIST digests") { checkVectors(Sha256::Engine::portable); }

TEST("sha256: the code chosen for this processor gives the NIST digests") {
  checkVectors(Sha256::Engine::best);
}

TEST("sha256: both codes agree for every length and every way to cut the input") {
  std::mt19937 random(1);
  std::string text(1000, '\0');
  for (char& byte : text) byte = static_cast<char>(random());
  for (size_t bytes = 0; bytes <= text.size(); ++bytes) {
    const std::string expected = digestOf(text.substr(0, bytes), Sha256::Engine::portable);
    Sha256 hash;
    for (size_t done = 0; done < bytes;) {
      const size_t step = std::min<size_t>(bytes - done, random() % 150);
      hash.update(text.data() + done, step);
      done += step;
    }
    CHECK_EQUAL(hash.finishHex(), expected);
  }
}
