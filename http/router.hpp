// The table of everything that is answered, and the search in it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "http/environment.hpp"
#include "http/message/response.hpp"
#include "http/request.hpp"
#include "runtime/task.hpp"

namespace http {

using handler = runtime::task<response> (*)(environment&, const request&);

struct route {
    front_door::method verb;
    std::string_view pattern;  // segments; {name} stands for any one
    std::string_view name;     // of metrics and of operationId in the contract
    handler run;
    bool takes_body = false;  // others refuse one that was announced
};

std::span<const route> routes();

struct route_match {
    const route* found = nullptr;  // null: 404, or 405 where `allow` is not empty
    std::string allow;
    route_parameters parameters;
};

// HEAD finds the routes of GET.
route_match match(front_door::method verb, std::string_view path);

// Percent-escapes decoded; nothing if one is broken or stands for a NUL. `plus_is_space` as in queries.
std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space = false);

}  // namespace http
