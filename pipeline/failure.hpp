// Why a request was not done, in the words of the client contract: what problem+json needs, and nothing of HTTP.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/system/result.hpp>

namespace pipeline {

enum class failure_code : std::uint8_t {
    not_found,                // 404; also for what is not the caller's
    not_finished,             // 409
    already_finished,         // 409
    idempotency_in_progress,  // 409
    idempotency_key_reused,   // 422
    invalid,                  // 422, with errors
    bad_cursor,               // 400
    bad_event_number,         // 400
    limited,                  // 429, with limit and retry_after_s
    overloaded,               // 503, with limit and retry_after_s
    draining,                 // 503 with retry_after_s
    storage_failed,           // 503: nothing is acknowledged until a restart
    no_space,                 // 507
    archive_damaged,          // 500: what the archive held cannot be read; an operator can repair it
    not_interactive,          // 409
    internal,                 // 500
};

struct field_error {
    std::string pointer;  // RFC 6901
    std::string code;
    std::string detail;
};

struct failure {
    failure_code code = failure_code::internal;
    std::string detail;
    std::string limit;  // its name in the configuration, or empty
    std::uint64_t limit_value = 0;
    std::uint32_t retry_after_s = 0;
    std::vector<field_error> errors;
};

// Called by result<T, failure>::value() when there is none: a bug of the caller, who must look first.
[[noreturn]] void throw_exception_from_error(const failure& why, const boost::source_location& where);

template <class T>
using outcome = boost::system::result<T, failure>;

}  // namespace pipeline
