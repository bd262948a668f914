// The exit codes of `weir`; part of the client contract.
#pragma once

namespace app::cli {

enum exit_code : int {
    exit_ok = 0,
    exit_run_failed = 1,  // also what fits nowhere else
    exit_usage = 2,
    exit_not_found = 3,
    exit_not_allowed = 4,
    exit_conflict = 5,
    exit_limited = 6,
    exit_unreachable = 7,
    exit_time_limit = 124,
    exit_signal_base = 128,  // plus the signal's number
    exit_interrupted = 130,
};

}  // namespace app::cli
