// weir: server, command line and load harness in one binary.
#include <cstdio>
#include <string_view>

#include "app/serve.hpp"

int main(int argc, char** argv) {
    if (argc >= 2 && std::string_view(argv[1]) == "serve") return app::serve(argc - 2, argv + 2);
    std::fputs("usage: weir serve [--help]\n", stderr);
    return 2;
}
