#include "http/query.hpp"

#include "http/router.hpp"
#include "runtime/base/encoding.hpp"

namespace http {
namespace {

constexpr std::size_t parameters_max = 64;

}  // namespace

std::optional<query> query::parse(std::string_view text) {
    query out;
    while (!text.empty()) {
        const auto end = text.find('&');
        const auto pair = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (pair.empty()) continue;
        if (out.parameters_.size() == parameters_max) return std::nullopt;
        const auto equals = pair.find('=');
        auto name = percent_decoded(pair.substr(0, equals), true);
        auto value =
            percent_decoded(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
        if (!name || !value || !runtime::is_utf8(*name) || !runtime::is_utf8(*value)) return std::nullopt;
        out.parameters_.emplace_back(std::move(*name), std::move(*value));
    }
    return out;
}

const std::string* query::find(std::string_view name) const {
    for (const auto& [key, value] : parameters_)
        if (key == name) return &value;
    return nullptr;
}

std::size_t query::count(std::string_view name) const {
    std::size_t out = 0;
    for (const auto& parameter : parameters_) out += parameter.first == name ? 1U : 0U;
    return out;
}

}  // namespace http
