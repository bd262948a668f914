// Assertions state what only a bug of ours can break. They stay on in release builds: a wrong server is worse than
// a stopped one, and the log makes a stop safe.
#pragma once

namespace runtime {

// Prints the expression and its place on standard error, then aborts.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace runtime

#define WEIR_ASSERT(expression) \
    (static_cast<bool>(expression) ? void(0) : ::runtime::assertion_failed(#expression, __FILE__, __LINE__))
