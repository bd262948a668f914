// A report as one HTML page: charts, tables, no script, nothing from elsewhere.
#pragma once

#include <string>

#include "bench/report.hpp"

namespace bench {

std::string html_of(const report& what);

}  // namespace bench
