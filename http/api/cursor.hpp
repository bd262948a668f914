// A list's cursor: opaque to clients, and bound to the filter it was made under.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "pipeline/engine.hpp"

namespace http::api {

std::string make_cursor(const pipeline::principal& who, const pipeline::list_filter& filter,
                        const pipeline::execution_id& below);
// Nothing if it is not one of ours, or of another principal or filter.
std::optional<pipeline::execution_id> read_cursor(std::string_view text, const pipeline::principal& who,
                                                  const pipeline::list_filter& filter);

}  // namespace http::api
