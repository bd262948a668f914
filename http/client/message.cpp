#include "http/client/message.hpp"

#include <algorithm>

#include "http/client/error.hpp"
#include "runtime/base/ascii.hpp"

namespace http::client {
namespace {

bool is_token(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
    });
}

bool is_value(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c == '\t' || (c >= ' ' && c != 0x7f) || c < 0; });
}

bool is_target(std::string_view text) {
    return text.starts_with('/') && std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
}

bool is_ours(std::string_view name) {
    for (const auto* ours : {"host", "content-length", "connection", "transfer-encoding"})
        if (runtime::same_ignoring_case(name, ours)) return true;
    return false;
}

}  // namespace

bool request::may_repeat() const {
    if (method != "POST" && method != "PATCH") return true;
    return std::ranges::any_of(
        headers, [](const auto& header) { return runtime::same_ignoring_case(header.first, "idempotency-key"); });
}

std::string_view response_head::header(std::string_view name) const {
    const auto found =
        std::ranges::find(headers, name, [](const auto& header) { return std::string_view(header.first); });
    return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

runtime::result<std::string> serialize(const request& what, const url& server) {
    if (!is_token(what.method) || !is_target(what.target)) return errc::malformed_request;
    std::string out =
        what.method + " " + server.base_path + what.target + " HTTP/1.1\r\nHost: " + server.authority() + "\r\n";
    for (const auto& [name, value] : what.headers) {
        if (!is_token(name) || !is_value(value) || is_ours(name)) return errc::malformed_request;
        out.append(name).append(": ").append(value).append("\r\n");
    }
    const bool has_body = !what.body.empty() || what.method == "POST" || what.method == "PUT" || what.method == "PATCH";
    if (has_body) out.append("Content-Length: ").append(std::to_string(what.body.size())).append("\r\n");
    out.append("\r\n").append(what.body);
    return out;
}

}  // namespace http::client
