#include "stages/worker/sandbox/launcher_image.hpp"

#include "stages/worker/sandbox/embedded_file.hpp"

// The build says where it is.
WEIR_EMBED_FILE(weir_launcher_image, WEIR_LAUNCHER);

namespace stages::worker::sandbox {

std::string_view launcher_image() { return {weir_launcher_image_begin, weir_launcher_image_end}; }

}  // namespace stages::worker::sandbox
