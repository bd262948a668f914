#include "stages/worker/sandbox/inside/warm_library.hpp"

// The build says where the library is.
asm(".section .rodata\n"
    ".global weir_warm_library_begin\n"
    ".global weir_warm_library_end\n"
    "weir_warm_library_begin:\n"
    ".incbin \"" WEIR_WARM_LIBRARY
    "\"\n"
    "weir_warm_library_end:\n"
    ".byte 0\n"
    ".text\n");

extern "C" const char weir_warm_library_begin[];
extern "C" const char weir_warm_library_end[];

namespace stages::worker::sandbox {

std::string_view warm_library() { return {weir_warm_library_begin, weir_warm_library_end}; }

}  // namespace stages::worker::sandbox
