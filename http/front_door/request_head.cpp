#include "http/front_door/request_head.hpp"

#include <array>
#include <utility>

#include "http/front_door/grammar.hpp"

namespace http::front_door {
namespace {

constexpr std::array<std::string_view, 9> method_names = {"GET",     "HEAD",  "POST",    "PUT",  "DELETE",
                                                          "OPTIONS", "PATCH", "CONNECT", "TRACE"};

}  // namespace

std::string_view to_string(method value) { return method_names[static_cast<std::size_t>(value)]; }

std::optional<method> parse_method(std::string_view name) {
    for (std::size_t i = 0; i < method_names.size(); ++i)
        if (method_names[i] == name) return static_cast<method>(i);
    return std::nullopt;
}

void request_head::clear() {
    auto kept = std::move(fields);
    kept.clear();
    *this = request_head();
    fields = std::move(kept);
}

bool head_view::is_named(const field_place& field, std::string_view name) const {
    return field.name.size == name.size() && same_ignoring_case(text(field.name), name);
}

std::optional<std::string_view> head_view::field(std::string_view name) const {
    for (const auto& one : head_->fields)
        if (is_named(one, name)) return text(one.value);
    return std::nullopt;
}

std::size_t head_view::count(std::string_view name) const {
    std::size_t out = 0;
    each(name, [&out](std::string_view) { ++out; });
    return out;
}

}  // namespace http::front_door
