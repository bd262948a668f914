// What every archive promises, as one suite. A back-end's test file brings a rig and instantiates it.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "storage/api/archive.hpp"
#include "tests/support/two_shards.hpp"

namespace tests {

// Two shards and one archive that both use; flush_after is 50 ms.
class archive_rig {
  public:
    virtual ~archive_rig() = default;
    virtual two_shards& shards() = 0;
    virtual storage::archive& on(std::size_t shard) = 0;
};

struct archive_back_end {
    std::string name;
    std::function<std::unique_ptr<archive_rig>()> make;
};

inline void PrintTo(const archive_back_end& back_end, std::ostream* out) { *out << back_end.name; }

class archive_conformance : public ::testing::TestWithParam<archive_back_end> {};

}  // namespace tests
