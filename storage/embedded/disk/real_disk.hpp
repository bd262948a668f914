// The machine's disk behind the seam of storage/api/disk.hpp.
#pragma once

#include <memory>

#include "runtime/shard.hpp"
#include "storage/api/disk.hpp"

namespace storage::embedded {

enum class writer_kind { automatic, io_uring, thread };

struct real_disk_options {
    // automatic: io_uring, or the thread where the kernel refuses that.
    writer_kind writer = writer_kind::automatic;
    // False: always buffered, for tests; otherwise only where O_DIRECT is refused.
    bool direct = true;
};

// Shard: `home`, a real one, on which it must also be destroyed, after every file and with nothing in flight. Fails
// when io_uring was demanded and is refused.
result<std::unique_ptr<disk>> make_real_disk(runtime::shard& home, real_disk_options options = {});

}  // namespace storage::embedded
