// Which system calls a box may make. Built once, by libseccomp, as the instructions that each box loads.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "runtime/base/result.hpp"

namespace stages::worker::sandbox {

// Numbers that this program doesn't know answer ENOSYS, so that libraries fall back; clone3 too, since a filter cannot
// look into its argument; what administers the machine answers EPERM; another architecture's calls end the process.
//
// `part`: a zygote has nearly all of it from its beginning, and its children with it, so that a child loads but the
// little that its own way into a box would not pass. Both together say of each call what the whole one says.
//
// `tells_of_sockets`: each call that makes a socket which is not local is told to the listener with which the filter is
// then to be loaded (seccomp(2), listener_flags()), and waits for its answer.
enum class filter_part : std::uint8_t { whole, zygote, zygote_child };
runtime::result<std::vector<sock_filter>> make_seccomp_filter(bool tells_of_sockets,
                                                              filter_part part = filter_part::whole);

struct box_filters {
    std::vector<sock_filter> whole;
    std::vector<sock_filter> zygote;
    std::vector<sock_filter> zygote_child;
};
runtime::result<box_filters> make_box_filters(bool tell_of_sockets);

// With which such a filter is loaded; 0 where the kernel knows no listeners, or this process has one above it already
// (a container's).
unsigned listener_flags(const std::vector<sock_filter>& filter);

// For the calling process and those that it makes, for good. Negative, with errno, if the kernel refuses; the listener
// if `flags` ask for one.
int load_filter(const std::vector<sock_filter>& filter, unsigned flags);

}  // namespace stages::worker::sandbox
