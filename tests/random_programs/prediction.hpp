// What a program comes to, by the words of the contract alone: nothing here is shared with the engine.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "tests/random_programs/program.hpp"

namespace random_programs {

struct prediction {
    std::string_view status;
    std::string_view error_type;  // empty: null
    std::optional<int> exit_code;
    std::optional<int> signal;
    std::uint32_t attempts = 1;
    bool last_was_lost = false;  // the outputs are then only beginnings of what stands here
    std::string standard_output;
    std::string standard_error;
    bool stdout_truncated = false;
    bool stderr_truncated = false;
    std::optional<std::uint64_t> output_bytes;  // cut bytes included; none where the program is ended while it writes
};

// `lost`: the attempts that ended as `infrastructure`, because the server was killed meanwhile or the box broke.
prediction predict(const program& what, const std::set<std::uint32_t>& lost);

// The end of one attempt.
prediction predict_attempt(const program& what, bool is_lost);

// How many of a stream's bytes a subscriber has seen when the program has written them all and still runs.
std::size_t visible(const std::string& stream, bool truncated);

}  // namespace random_programs
