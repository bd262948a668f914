#include "stages/worker/sandbox/inside/warm_library.hpp"

#include "stages/worker/sandbox/embedded_file.hpp"

// The build says where it is.
WEIR_EMBED_FILE(weir_warm_library, WEIR_WARM_LIBRARY);

namespace stages::worker::sandbox {

std::string_view warm_library() { return {weir_warm_library_begin, weir_warm_library_end}; }

}  // namespace stages::worker::sandbox
