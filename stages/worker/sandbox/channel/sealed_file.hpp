// Bytes for another process: a file in memory that nobody can change any more.
#pragma once

#include <span>
#include <string_view>

#include "runtime/base/result.hpp"
#include "stages/worker/sandbox/channel/descriptor.hpp"

namespace stages::worker::sandbox {

// It holds the texts, one behind the other. `executable`: said to the kernels that ask.
runtime::result<descriptor> make_sealed_file(const char* name, std::span<const std::string_view> texts,
                                             bool executable = false);

}  // namespace stages::worker::sandbox
