// The one place where principals are made.
#pragma once

#include "http/front_door/request_head.hpp"
#include "pipeline/principal.hpp"

namespace http::auth {

// Without authentication configured everybody is {default, local, admin}; the server then listens on loopback only.
// Shard: its own only.
class authenticator {
  public:
    authenticator();
    // Who sent this request. The answer lives as long as the authenticator.
    [[nodiscard]] const pipeline::principal& authenticate(const front_door::head_view& head) const;

  private:
    pipeline::principal local_;
};

}  // namespace http::auth
