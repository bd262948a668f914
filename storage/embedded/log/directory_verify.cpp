// log_directory::verify(): what open() looks at, without a new epoch.
#include "storage/embedded/log/directory.hpp"

namespace storage::embedded {

task<result<void>> log_directory::verify() {
    only_looks_ = true;
    const auto locked = co_await take_lock();
    if (locked.has_error()) co_return locked;
    const auto before = co_await read_meta(disk_, options_.path);
    if (before.has_error())
        co_return fail(before.error(), path_of("META") + " cannot be used: " + before.error().message());
    if (!*before) co_return fail(log_errc::corrupt, path_of("META") + " is missing");
    meta_ = **before;
    options_.partition_bits = meta_.partition_bits;
    partitions_.resize(std::size_t{1} << options_.partition_bits);
    report_.epoch = meta_.epoch;
    report_.was_clean = meta_.clean;
    std::vector<segment_key> keys;
    const auto named = co_await read_names(keys);
    if (named.has_error()) co_return named;
    co_return co_await scan_all(keys);
}

}  // namespace storage::embedded
