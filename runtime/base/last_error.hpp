// What a system call that has just failed left in errno.
#pragma once

#include <boost/system/error_code.hpp>
#include <cerrno>

namespace runtime {

inline boost::system::error_code last_error() { return {errno, boost::system::system_category()}; }

}  // namespace runtime
