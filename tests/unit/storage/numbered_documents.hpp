// Documents for tests.
#pragma once

#include <cstdint>
#include <string_view>

#include "storage/api/archive.hpp"

namespace tests {

// Ids rise with `number`, the contents follow from it.
runtime::execution_id numbered_id(std::uint64_t number);
storage::document numbered_document(std::uint64_t number, std::string_view tenant = "acme",
                                    std::string_view user = "ann");
runtime::uuid tenant_id(std::string_view name);
runtime::uuid user_id(std::string_view name);

}  // namespace tests
