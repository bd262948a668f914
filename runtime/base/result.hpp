// Expected outcomes are values: every call that may fail for a reason outside our own code returns result<T>.
// Exceptions are for broken infrastructure, assertions (base/assert.hpp) for our own bugs.
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

namespace runtime {

using boost::system::error_code;

template <class T>
using result = boost::system::result<T>;

}  // namespace runtime
