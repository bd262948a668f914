// Backups of the running node as the front door sees them; app/ makes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <boost/system/result.hpp>

#include "runtime/base/time.hpp"
#include "runtime/task.hpp"

namespace http {

// What one read may bring.
inline constexpr std::size_t backup_read_bytes_max = 4 << 20;

struct backup_file {
    std::string path;  // within the data directory; no part of it is "." or ".."
    std::uint64_t bytes = 0;
};

struct backup {
    std::string id;
    runtime::utc_time created_at;
    std::vector<backup_file> files;
};

struct backup_failure {
    enum class kind : std::uint8_t { in_progress, unknown, failed, no_space };
    backup_failure() = default;
    backup_failure(kind k, std::string d) : what(k), detail(std::move(d)) {}

    kind what = kind::failed;
    std::string detail;
};

// Called by value() when there is none: a bug of the caller, who must look first.
[[noreturn]] void throw_exception_from_error(const backup_failure& why, const boost::source_location& where);

template <class T>
using backup_outcome = boost::system::result<T, backup_failure>;

// Shard: any. There is one backup at a time; it stays until it is removed, nobody has read it for a while, or the
// server stops.
class backups {
  public:
    virtual ~backups() = default;

    // Holds the node's state as it is at one moment behind the call: everything acknowledged before the call is in it.
    virtual runtime::task<backup_outcome<backup>> make() = 0;
    // Bytes of a file by its place in the list, from `offset` on; fewer than asked for only at its end.
    virtual runtime::task<backup_outcome<std::string>> read(std::string id, std::size_t file, std::uint64_t offset,
                                                            std::size_t bytes_max) = 0;
    virtual runtime::task<backup_outcome<void>> remove(std::string id) = 0;
};

}  // namespace http
