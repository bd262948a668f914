#include "app/cli/commands.hpp"
#include "app/cli/terminal.hpp"

namespace app::cli {
namespace {

#ifdef NDEBUG
constexpr std::string_view build = "release";
#else
constexpr std::string_view build = "development";
#endif

}  // namespace

int print_version(const terminal& text, output_format output) {
    if (output == output_format::json) {
        text.out("{\"version\":\"" WEIR_VERSION "\",\"build\":\"" + std::string(build) +
                 "\",\"compiler\":\"" __VERSION__ "\"}\n");
    } else {
        text.out("weir " WEIR_VERSION " (" + std::string(build) + ", " __VERSION__ ")\n");
    }
    return exit_ok;
}

}  // namespace app::cli
