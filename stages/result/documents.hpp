// What the archive gets of an execution that has ended.
#pragma once

#include <vector>

#include "pipeline/execution.hpp"
#include "storage/api/archive.hpp"

namespace stages::result {

// `records` are all of the ended execution's, blob pieces first.
storage::document document_of(const pipeline::execution& e, std::vector<storage::record> records);

}  // namespace stages::result
