#include "runtime/base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace runtime {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
    std::fprintf(stderr, "weir: assertion failed: %s at %s:%d\n", expression, file, line);
    std::fflush(stderr);
    std::abort();
}

}  // namespace runtime
