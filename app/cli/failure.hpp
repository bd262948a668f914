// Why a command ended without success, for people and for programs.
#pragma once

#include <boost/system/result.hpp>
#include <string>
#include <vector>

#include "app/cli/exit_code.hpp"

namespace app::cli {

struct failure {
    // Declared so that this is no aggregate: else a mere number could become a failure, and outcome<int> ambiguous.
    failure() = default;

    int exit_code = exit_run_failed;
    std::string message;               // one sentence without "weir:"
    std::vector<std::string> details;  // one line each
    std::string hint;                  // what to do next, or empty
    std::string json;                  // the server's problem, or one of our own form
};

// Called by value() when there is none: a bug of the caller, who must look first.
[[noreturn]] void throw_exception_from_error(const failure& why, const boost::source_location& where);

template <class T>
using outcome = boost::system::result<T, failure>;

}  // namespace app::cli
