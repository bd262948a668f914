// What a disk's error means to the log.
#pragma once

#include <cerrno>

#include "runtime/base/result.hpp"

namespace storage::embedded {

// The disk is full; space may return.
inline bool is_no_space(const runtime::error_code& code) { return code.value() == ENOSPC || code.value() == EDQUOT; }

// The process or the machine has run out of something that others will give back. Nothing was begun.
inline bool is_shortage(const runtime::error_code& code) {
    return code.value() == EMFILE || code.value() == ENFILE || code.value() == ENOMEM;
}

}  // namespace storage::embedded
