// A request as a handler gets it: head checked, body whole, principal known. Views are valid until the answer is made.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "http/front_door/request_head.hpp"
#include "pipeline/principal.hpp"

namespace http {

// Asks about the client while its request waits for something.
class client_link {
  public:
    virtual ~client_link() = default;
    [[nodiscard]] virtual bool gone() const = 0;
};

using route_parameters = std::array<std::string, 2>;

struct request {
    request(const front_door::head_view& h, std::string& b, std::string_view id, const pipeline::principal& p,
            const client_link& l)
        : head(h), body(b), request_id(id), who(p), link(l) {}

    front_door::head_view head;
    std::string& body;
    std::string_view request_id;
    const pipeline::principal& who;
    const client_link& link;
    route_parameters parameters;  // what stands for the {…} of the pattern, decoded
};

}  // namespace http
