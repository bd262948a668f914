// Which system calls a box may make. Built once, by libseccomp, as the instructions that each box loads.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "runtime/base/result.hpp"

namespace stages::worker::sandbox {

// Numbers that this program doesn't know answer ENOSYS, so that libraries fall back; clone3 too, since a filter cannot
// look into its argument; what administers the machine answers EPERM; another architecture's calls end the process.
runtime::result<std::vector<sock_filter>> make_seccomp_filter();

}  // namespace stages::worker::sandbox
