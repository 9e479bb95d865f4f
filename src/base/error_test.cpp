// Codes, values and places in the one exception.
#include <gtest/gtest.h>

#include <stdexcept>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/interruption.h"

namespace quern {
namespace {

TEST(Error, CarriesValuesAndPlacesInnermostFirst) {
  try {
    with_context("while reading a.bin",
                 [] { with_context("tensor x", [] { fail(ErrorCode::kInput, "{} of {}", 1, 2); }); });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInput);
    EXPECT_STREQ(error.what(), "1 of 2 (tensor x) (while reading a.bin)");
  }
}

// what() is a text of C, which ends at a zero byte.
TEST(Error, AZeroByteInANameEndsNoMessage) {
  try {
    with_context(std::string("tensor a\0b", 10), [] { fail(ErrorCode::kInput, "key {}", std::string("x\0y", 3)); });
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "key x\\x00y (tensor a\\x00b)");
  }
}

TEST(Error, WithContextReturnsWhatTheBodyReturns) {
  int value = 3;
  EXPECT_EQ(&with_context("here", [&]() -> int& { return value; }), &value);
  EXPECT_THROW(with_context("here", [] { throw std::runtime_error("other"); }), std::runtime_error);
}

TEST(Error, EnsureIsADefectOfQuern) {
  EXPECT_NO_THROW(ensure(true, "fine"));
  try {
    ensure(false, "{} is wrong", 7);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInternal);
    EXPECT_STREQ(error.what(), "7 is wrong");
  }
}

TEST(Bytes, SizesThatOverflowAreNoSizes) {
  EXPECT_EQ(checked_mul(1u << 31, 1u << 31), std::uint64_t{1} << 62);
  EXPECT_EQ(checked_mul(std::uint64_t{1} << 32, std::uint64_t{1} << 32), std::nullopt);
  EXPECT_EQ(checked_add(UINT64_MAX, 0), UINT64_MAX);
  EXPECT_EQ(checked_add(UINT64_MAX, 1), std::nullopt);
  EXPECT_EQ(round_up(0, 32), 0u);
  EXPECT_EQ(round_up(33, 32), 64u);
}

TEST(Bytes, LoadsAndStoresNeedNoAlignment) {
  std::byte buffer[9] = {};
  store<std::uint32_t>(buffer + 1, 0x01020304u);
  EXPECT_EQ(buffer[1], std::byte{4});
  EXPECT_EQ(load<std::uint32_t>(buffer + 1), 0x01020304u);
}

class Impatient : public Observer {
 public:
  bool interrupted() const override { return true; }
};

TEST(Observer, AnInterruptBecomesAnError) {
  EXPECT_NO_THROW(check_interrupted(Observer()));
  try {
    check_interrupted(Impatient());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInterrupted);
  }
}

}  // namespace
}  // namespace quern
