// `weir serve`: the server process from its arguments to its exit code.
#pragma once

namespace app {

// `argc`, `argv` are what follows "serve". Exit codes: 0 stopped as asked, 1 it could not start or run, 2 usage.
// Thread: the main one, before there is any other.
int serve(int argc, char** argv);

}  // namespace app
