// Types to a running program and shows what it writes.
#pragma once

#include <string>

#include "app/cli/api.hpp"
#include "app/cli/follow.hpp"

namespace app::cli {

struct attach_end {
    followed end;  // nothing when the person left the program running
    bool detached = false;
};

// Standard input goes to the program, its output comes here, until it ends or the person leaves. Reconnects and resumes
// behind the last event; what was typed while there was no connection waits for the next one.
runtime::task<outcome<attach_end>> attach(session& with, std::string id, follow_options options);

}  // namespace app::cli
