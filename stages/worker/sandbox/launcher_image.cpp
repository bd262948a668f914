#include "stages/worker/sandbox/launcher.hpp"

// The build says where the program is.
asm(".section .rodata\n"
    ".global weir_launcher_image_begin\n"
    ".global weir_launcher_image_end\n"
    "weir_launcher_image_begin:\n"
    ".incbin \"" WEIR_LAUNCHER
    "\"\n"
    "weir_launcher_image_end:\n"
    ".byte 0\n"
    ".text\n");

extern "C" const char weir_launcher_image_begin[];
extern "C" const char weir_launcher_image_end[];

namespace stages::worker::sandbox {

std::string_view launcher_image() { return {weir_launcher_image_begin, weir_launcher_image_end}; }

}  // namespace stages::worker::sandbox
