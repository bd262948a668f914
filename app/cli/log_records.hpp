// Records of the log as people and programs read them.
#pragma once

#include <string>

#include "runtime/task.hpp"
#include "storage/embedded/log/inspect.hpp"

namespace app::cli {

// One line each, without its end.
std::string record_text(const storage::embedded::dumped_record& one);
// An object; `extra` is a further member, or empty.
std::string record_json(const storage::embedded::dumped_record& one, std::string_view extra = {});

// Runs on a shard made for it, with the machine's disk, and returns when it has ended. False, with `why`, when the disk
// cannot be used.
bool on_a_shard(runtime::unique_function<runtime::task<void>(storage::disk&)> work, std::string& why);

}  // namespace app::cli
