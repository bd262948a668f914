// What the archive gets of an execution that has ended.
#pragma once

#include <vector>

#include "pipeline/execution.hpp"
#include "storage/api/archive.hpp"

namespace stages::result {

// `records` are all of the ended execution's, blob pieces first; `artifacts` the bytes of its verdict's, in order,
// empty for one with a fault.
storage::document document_of(const pipeline::execution& e, std::vector<storage::record> records,
                              const std::vector<std::string>& artifacts);

}  // namespace stages::result
