// Who asks. Every request has a principal, made in one place (http/auth).
#pragma once

#include <string>
#include <vector>

#include "runtime/base/ids.hpp"

namespace pipeline {

struct principal {
    std::string tenant = "default";
    std::string user = "local";
    bool admin = true;
    // named_id("tenant", tenant) and named_id("user", tenant + "/" + user): what records and keys carry.
    runtime::uuid tenant_id;
    runtime::uuid user_id;
};

principal make_principal(std::string tenant, std::string user, bool admin);

}  // namespace pipeline
