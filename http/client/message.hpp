// Requests and answers as values.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/client/url.hpp"
#include "runtime/base/result.hpp"

namespace http::client {

using header_list = std::vector<std::pair<std::string, std::string>>;

struct request {
    request(std::string m, std::string t) : method(std::move(m)), target(std::move(t)) {}

    std::string method;
    std::string target;  // path and query, percent-encoded; the server's base path is put before it
    header_list headers;
    std::string body;  // sent with a Content-Length when not empty, or when the method is POST, PUT or PATCH

    // May be sent a second time when a kept connection turns out to be dead: the method is idempotent, or the request
    // has an Idempotency-Key.
    [[nodiscard]] bool may_repeat() const;
};

struct response_head {
    int status = 0;
    std::string reason;
    header_list headers;  // names in lower case, values without white space around them
    bool keep_alive = false;

    // The first of that name (given in lower case), or empty.
    [[nodiscard]] std::string_view header(std::string_view name) const;
};

struct response {
    response_head head;
    std::string body;
};

// The bytes of a request. Host, Content-Length and Connection are ours: errc::malformed_request if a header names them,
// or if a byte in the method, target or headers could end its line.
runtime::result<std::string> serialize(const request& what, const url& server);

}  // namespace http::client
