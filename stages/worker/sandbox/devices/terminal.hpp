// A terminal for one box, made by its broker in a file system of terminals that has no other one.
#pragma once

#include <sys/types.h>

#include "runtime/base/result.hpp"
#include "stages/worker/sandbox/channel/descriptor.hpp"
#include "stages/worker/sandbox/channel/protocol.hpp"

namespace stages::worker::sandbox {

struct box_terminal {
    descriptor mount;    // a devpts of its own, mounted nowhere yet: the box's /dev/pts
    descriptor master;   // stays outside the box
    descriptor program;  // the program's side; whoever keeps a copy keeps the terminal from ending
};

// `owner` may open it again in the box. A second terminal cannot be made there.
runtime::result<box_terminal> make_terminal(const terminal_dimensions& size, uid_t owner);

}  // namespace stages::worker::sandbox
