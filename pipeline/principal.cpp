#include "pipeline/principal.hpp"

#include <stdexcept>

#include "pipeline/failure.hpp"

namespace pipeline {

principal make_principal(std::string tenant, std::string user, bool admin) {
    principal out;
    out.tenant_id = runtime::named_id("tenant", tenant);
    out.user_id = runtime::named_id("user", tenant + "/" + user);
    out.tenant = std::move(tenant);
    out.user = std::move(user);
    out.admin = admin;
    return out;
}

void throw_exception_from_error(const failure& why, const boost::source_location&) {
    throw std::logic_error("the value of a failed outcome was asked for: " + why.detail);
}

}  // namespace pipeline
