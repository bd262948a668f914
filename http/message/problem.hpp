// Errors as clients see them: application/problem+json (RFC 9457) with the contract's own members.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/front_door/refusal.hpp"
#include "pipeline/failure.hpp"

namespace http {

// One entry of the catalogue; its code is stable.
struct problem_kind {
    std::string_view code;
    std::uint16_t status;
    std::string_view title;
    bool retryable;
    std::string_view description;  // what /problems/{code} says
};

std::span<const problem_kind> problem_kinds();
// Null for an unknown code.
const problem_kind* find_problem_kind(std::string_view code);
const problem_kind& kind_of(front_door::refusal why);
const problem_kind& kind_of(pipeline::failure_code code);

// One error on its way to a client.
struct problem {
    explicit problem(const problem_kind& k) : kind(&k) {}
    problem(const problem_kind& k, std::string d) : kind(&k), detail(std::move(d)) {}
    // A code of the catalogue; an unknown one is our bug and aborts.
    problem(std::string_view code, std::string d);
    explicit problem(pipeline::failure why);

    const problem_kind* kind;
    std::string detail;  // the kind's description stands in when it is empty
    std::string limit;   // name of the limit, or empty
    std::uint64_t limit_value = 0;
    std::uint32_t retry_after_s = 0;
    std::string allow;          // of a 405
    std::string content_range;  // of a 416
    std::vector<pipeline::field_error> errors;
};

void append_problem_json(std::string& out, const problem& what, std::string_view request_id);

}  // namespace http
