#include "http/api/output.hpp"

#include "http/front_door/grammar.hpp"

namespace http::api {
namespace {

std::optional<std::uint64_t> parse_number(std::string_view digits) {
    if (digits.empty() || digits.size() > 18 || !front_door::all(digits, front_door::is_digit_class))
        return std::nullopt;
    std::uint64_t out = 0;
    for (const char c : digits) out = out * 10 + static_cast<unsigned>(c - '0');
    return out;
}

bool names_tag(std::string_view list, std::string_view tag) {
    if (list == "*") return true;
    while (!list.empty()) {
        const auto comma = list.find(',');
        auto one = front_door::trimmed(list.substr(0, comma));
        if (one.substr(0, 2) == "W/") one.remove_prefix(2);
        if (one == tag) return true;
        list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    }
    return false;
}

}  // namespace

range_kind parse_range(std::string_view field, std::uint64_t total, byte_range& out) {
    constexpr std::string_view unit = "bytes=";
    if (field.size() < unit.size() || !front_door::same_ignoring_case(field.substr(0, unit.size()), unit))
        return range_kind::whole;
    field = front_door::trimmed(field.substr(unit.size()));
    const auto dash = field.find('-');
    if (dash == std::string_view::npos) return range_kind::whole;
    const auto first_text = field.substr(0, dash);
    const auto last_text = field.substr(dash + 1);
    if (first_text.empty()) {
        const auto suffix = parse_number(last_text);
        if (!suffix) return range_kind::whole;
        if (*suffix == 0 || total == 0) return range_kind::beyond;
        out.size = std::min(*suffix, total);
        out.first = total - out.size;
        return range_kind::part;
    }
    const auto first = parse_number(first_text);
    const auto last = last_text.empty() ? std::optional<std::uint64_t>(UINT64_MAX) : parse_number(last_text);
    if (!first || !last || *last < *first) return range_kind::whole;
    if (*first >= total) return range_kind::beyond;
    out.first = *first;
    out.size = std::min(*last, total - 1) - *first + 1;
    return range_kind::part;
}

response output_response(const request& asked, const pipeline::execution_id& id, std::string_view which,
                         std::string bytes) {
    const std::string tag = "\"" + id.to_string() + "." + std::string(which) + "\"";
    response out;
    out.content_type = bytes_type;
    out.add_field("ETag", tag);
    out.add_field("Accept-Ranges", "bytes");
    const auto known = asked.head.field("if-none-match");
    if (known && names_tag(*known, tag)) {
        out.status = 304;
        out.content_type = {};
        return out;
    }
    const auto range = asked.head.field("range");
    const auto condition = asked.head.field("if-range");
    const bool applies = range && asked.head.count("range") == 1 && (!condition || *condition == tag);
    byte_range part;
    const auto kind = applies ? parse_range(*range, bytes.size(), part) : range_kind::whole;
    if (kind == range_kind::beyond) {
        problem why("range_not_satisfiable", "the output has " + std::to_string(bytes.size()) + " bytes");
        why.content_range = "bytes */" + std::to_string(bytes.size());
        return problem_response(why, asked.request_id);
    }
    if (kind == range_kind::part) {
        out.status = 206;
        out.add_field("Content-Range", "bytes " + std::to_string(part.first) + "-" +
                                           std::to_string(part.first + part.size - 1) + "/" +
                                           std::to_string(bytes.size()));
        bytes = bytes.substr(part.first, part.size);
    }
    out.body = std::move(bytes);
    return out;
}

}  // namespace http::api
