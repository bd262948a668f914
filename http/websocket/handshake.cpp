#include "http/websocket/handshake.hpp"

#include <boost/uuid/detail/sha1.hpp>

#include "runtime/base/encoding.hpp"

namespace http::websocket {
namespace {

constexpr std::string_view protocol_id = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t key_bytes = 16;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equals(std::string_view text, std::string_view lower_case) {
    if (text.size() != lower_case.size()) return false;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (lower(text[i]) != lower_case[i]) return false;
    return true;
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

}  // namespace

bool is_key(std::string_view value) {
    const auto bytes = runtime::base64_decode(value);
    return bytes && bytes->size() == key_bytes;
}

std::string accept_of(std::string_view key) {
    boost::uuids::detail::sha1 hash;
    hash.process_bytes(key.data(), key.size());
    hash.process_bytes(protocol_id.data(), protocol_id.size());
    boost::uuids::detail::sha1::digest_type words;
    hash.get_digest(words);
    std::string digest;
    for (const unsigned word : words)
        for (int shift = 24; shift >= 0; shift -= 8) digest.push_back(static_cast<char>(word >> shift & 0xff));
    return runtime::base64_encode(digest);
}

bool has_token(std::string_view list, std::string_view lower_case_word) {
    while (true) {
        const auto comma = list.find(',');
        if (equals(trimmed(list.substr(0, comma)), lower_case_word)) return true;
        if (comma == std::string_view::npos) return false;
        list.remove_prefix(comma + 1);
    }
}

}  // namespace http::websocket
