// Segment files seen from outside, for `weir log dump` and `weir log repair`: every good batch, also behind damage that
// no start would pass.
#pragma once

#include <string>
#include <vector>

#include "storage/embedded/log/scan.hpp"

namespace storage::embedded {

// Bytes between two good batches, or between the last one and whatever was begun behind it, that are no good batch.
struct damaged_place {
    std::string path;
    std::uint64_t position = 0;
    std::uint64_t bytes = 0;
    // Good batches follow, so that a start is refused; otherwise a start cuts it off.
    bool is_followed = false;
};

struct segment_walk {
    runtime::error_code failed;  // of the disk
    std::uint64_t batches = 0;
    std::vector<damaged_place> damaged;
};

// In the order in which they were written within a log.
task<result<std::vector<segment_key>>> list_segments(disk& on, std::string folder);

// Gives each good batch, in order, to `visit`; an error of it ends the walk.
task<segment_walk> walk_segment(disk_file& file, segment_header segment, std::string path, batch_visitor visit);

// The whole log folder, for people: each record with its file and the position of its batch there. It takes LOCK, so no
// server can be running; nothing is written.
struct dumped_record {
    std::string file;
    std::uint64_t position = 0;
    record_view record;
};
struct dump_report {
    std::string diagnosis;  // why there is nothing more to see; empty when all of it was seen
    std::vector<damaged_place> damaged;
    std::uint64_t segments = 0;
    std::uint64_t records = 0;
};
using record_visitor = runtime::unique_function<void(const dumped_record&)>;
task<dump_report> dump_log(disk& on, std::string folder, record_visitor visit);

}  // namespace storage::embedded
