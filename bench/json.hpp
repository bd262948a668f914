// JSON for the harness: Boost.JSON reads; a printer of our own writes numbers and lines as people like to read them.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bench::json {

using boost::json::array;
using boost::json::object;
using boost::json::value;

// Nothing unless the text is one valid JSON value.
std::optional<value> parse(std::string_view text);

// Indented by two spaces; arrays of plain numbers stay on one line, and so does what is short.
std::string pretty(const value& what);
// One line.
std::string compact(const value& what);
// A number as the printers write it: at most six significant digits, no exponent where none is needed.
std::string number(double what);
// With its quotes.
std::string quoted(std::string_view text);

// A member of that name and kind, or the fallback. An object that is null has no members.
const value* find(const value& in, std::string_view name);
std::string text_of(const value& in, std::string_view name, std::string_view fallback = {});
std::uint64_t count_of(const value& in, std::string_view name, std::uint64_t fallback = 0);
bool flag_of(const value& in, std::string_view name);
double number_of(const value& in, std::string_view name, double fallback = 0);

object counts(const std::map<std::string, std::uint64_t>& from);
array texts(const std::vector<std::string>& from);

}  // namespace bench::json
