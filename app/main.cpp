// weir: server and command line in one binary.
#include <string>
#include <string_view>
#include <vector>

#include "app/cli/cli.hpp"
#include "app/serve.hpp"

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "serve") return app::serve(argc - 2, argv + 2);
    return app::cli::run_command_line(std::vector<std::string>(argv + 1, argv + argc));
}
