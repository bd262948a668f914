// META: the one small file of a log directory that is replaced as a whole. Text, so that people can read it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "storage/api/disk.hpp"

namespace storage::embedded {

struct meta {
    std::uint64_t epoch = 0;  // of the last opening
    unsigned partition_bits = 0;
    // The last opening ended in order, and this many logs ended with a clean-stop seal.
    bool clean = false;
    std::uint64_t logs = 0;
};

std::string encode_meta(const meta& value);
// Nothing when it is not whole; log_errc::newer_format for a later version's.
result<meta> decode_meta(std::string_view text);

// Nothing when there is no META.
task<result<std::optional<meta>>> read_meta(disk& on, std::string folder);
// Written beside, made durable, renamed, and the folder synced.
task<result<void>> write_meta(disk& on, std::string folder, meta value);

}  // namespace storage::embedded
