// The front door of one shard over an engine that does nothing, for perf/front_door: what a request costs beside what
// it asks for. Prints its address; ends at the end of standard input.
#include <cstdio>

#include "tests/unit/http/support/running_server.hpp"

int main() {
    http::testing::running_server server({}, 1);
    std::printf("listening on http://127.0.0.1:%u\n", server.port());
    std::fflush(stdout);
    while (std::getchar() != EOF) {
    }
    return 0;
}
