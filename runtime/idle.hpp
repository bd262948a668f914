// Waiting for a shard's idle moment, where many things are cheaper done at once than each by itself.
#pragma once

#include "runtime/base/time.hpp"
#include "runtime/task.hpp"

namespace runtime {

class shard;

// Returns when nothing else is ready on `home`, or `at_most` later; see shard::when_idle(). Shard: `home`. Not
// cancellable: it returns so soon that whoever waits for its end may.
task<void> until_idle(shard& home, nanoseconds at_most);

}  // namespace runtime
