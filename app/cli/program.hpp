// What `weir run` sends, from files and flags.
#pragma once

#include <string>
#include <string_view>

#include "app/cli/command_line.hpp"
#include "app/cli/failure.hpp"

namespace app::cli {

// By extension, else by the interpreter of the first line; empty if neither says.
std::string guess_language(std::string_view file_name, std::string_view script);

// A file's bytes, or standard input's for "-"; at most `bytes_max`.
outcome<std::string> read_input(const std::string& file, std::size_t bytes_max);

// "10s" for a key that ends in _ms is 10000, "64MiB" for one in _bytes 67108864; anything that is no number is a
// string, for the server to judge.
std::string limit_as_json(std::string_view key, std::string_view value);

// The body of POST /api/v1/execute.
outcome<std::string> execute_body(const run_command& what);

}  // namespace app::cli
