// Reads a segment from its first batch to its end and judges the end: empty, sealed, cut, or corrupt.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "runtime/base/unique_function.hpp"
#include "storage/api/disk.hpp"
#include "storage/embedded/log/format.hpp"

namespace storage::embedded {

// Reads a file block-wise through one large buffer. Shard: that of the file.
class window_reader {
  public:
    static constexpr std::size_t window_bytes = 1024 * 1024;

    explicit window_reader(disk_file& file) : file_(file) {}

    // The bytes [position, position + bytes), valid until the next call; fewer at the end of the file. `position` is a
    // multiple of a block.
    task<result<std::span<const std::byte>>> at(std::uint64_t position, std::size_t bytes);

  private:
    disk_file& file_;
    block_buffer buffer_;
    std::uint64_t start_ = 0;
    std::size_t length_ = 0;
};

struct scan_report {
    // Success, an error of the disk, or log_errc::corrupt or newer_format; then `diagnosis` names file and position.
    runtime::error_code failed;
    std::string diagnosis;

    std::uint64_t end = segment_header_bytes;  // one past the last good batch
    std::uint64_t batches = 0;
    std::uint64_t records = 0;
    std::uint64_t first_batch_number = 0;
    std::uint64_t last_batch_number = 0;
    log_position first_committed;  // what the first batch says was durable before it
    bool sealed = false;
    bool clean_stop = false;
    std::uint64_t cut_bytes = 0;  // size of a last batch that never became whole
};

struct scan_limits {
    // Read no further: the end that an earlier scan found, or the whole file.
    std::uint64_t until = UINT64_MAX;
    // Whether to look behind the end for a good batch, which would make the end corruption.
    bool look_behind_end = true;
};

using batch_visitor = runtime::unique_function<result<void>(const batch_header&, std::span<const std::byte>)>;

// Gives each good batch, in order, to `visit`; an error of it ends the scan as corruption. `path` is for the diagnosis.
task<scan_report> scan_segment(disk_file& file, segment_header segment, std::string path, batch_visitor visit,
                               scan_limits limits = {});

// Reads the header block; error corrupt when there is none.
task<result<segment_header>> read_segment_header(disk_file& file);

}  // namespace storage::embedded
