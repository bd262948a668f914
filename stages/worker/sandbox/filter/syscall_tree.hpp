// What a filter says of a system call by its number alone, as instructions (classic BPF) in front of a filter that
// looks at arguments.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "runtime/base/result.hpp"

namespace stages::worker::sandbox {

// Not an action of the kernel's: the filter behind has the answer.
inline constexpr std::uint32_t look_at_arguments = UINT32_MAX;

// A binary search among ranges of numbers that have the same answer. The kernel walks a filter for each number there is
// when it loads it (seccomp_cache_prepare()), while a box is being made: 10 instructions here, 19 in libseccomp's own
// tree.
//
// `answers`: an action (SECCOMP_RET_*) for each number from 0; what lies above the last one gets `unknown`. Calls of
// another `architecture`, and those of x32, go on to the filter behind. EOVERFLOW: more ranges than a jump can reach
// over.
runtime::result<std::vector<sock_filter>> make_syscall_tree(std::uint32_t architecture,
                                                            const std::vector<std::uint32_t>& answers,
                                                            std::uint32_t unknown);

}  // namespace stages::worker::sandbox
