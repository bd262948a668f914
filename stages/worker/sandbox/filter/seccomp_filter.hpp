// Which system calls a box may make. Built once, by libseccomp, as the instructions that each box loads.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "runtime/base/result.hpp"

namespace stages::worker::sandbox {

// Numbers that this program doesn't know answer ENOSYS, so that libraries fall back; clone3 too, since a filter cannot
// look into its argument; what administers the machine answers EPERM; another architecture's calls end the process.
// `tells_of_sockets`: each call that makes a socket which is not local is told to the listener with which the filter is
// then to be loaded (seccomp(2), listener_flags()), and waits for its answer.
runtime::result<std::vector<sock_filter>> make_seccomp_filter(bool tells_of_sockets);

// With which such a filter is loaded; 0 where the kernel knows no listeners, or this process has one above it already
// (a container's).
unsigned listener_flags(const std::vector<sock_filter>& filter);

}  // namespace stages::worker::sandbox
