// `weir log repair --drop-after`: a log without what stands at a damaged place and behind it. Nothing is changed in
// place: what survives is written into a new folder, and the old one stays as it is, damage and all.
//
// What is dropped: in each log (epoch, shard) that a place names, everything from that place on; and of every
// partition what follows a record that is missing then, in later logs too, because a record means nothing without those
// before it.
#pragma once

#include <string>
#include <vector>

#include "storage/embedded/log/inspect.hpp"

namespace storage::embedded {

struct drop_place {
    std::string file;  // its name, with a path before it or without
    std::uint64_t position = 0;
};

struct dropped_record {
    dumped_record where;
    bool behind_gap = false;  // it stood before the place, or in another log, but a record before it is gone
};

struct repair_report {
    std::string diagnosis;  // why nothing was repaired; empty when it was
    std::uint64_t kept = 0;
    std::uint64_t dropped = 0;
    std::uint64_t epoch = 0;            // of the new log
    std::vector<damaged_place> unread;  // bytes that could not be listed record by record
    std::vector<std::string> remarks;   // for people: what else is different now
};

// Writes what survives of `from` into `into`, which must not be there. Every damaged place that has good batches behind
// it must be named, or fall behind one that is. `dropped` is told of each record that goes and can still be read.
// It takes LOCK of `from`.
task<repair_report> repair_log(disk& on, std::string from, std::string into, std::vector<drop_place> places,
                               runtime::unique_function<void(const dropped_record&)> dropped);

}  // namespace storage::embedded
