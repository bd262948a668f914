#include "http/websocket/handshake.hpp"

#include <boost/uuid/detail/sha1.hpp>

#include "runtime/base/ascii.hpp"
#include "runtime/base/encoding.hpp"

namespace http::websocket {
namespace {

constexpr std::string_view protocol_id = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t key_bytes = 16;

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
        if (runtime::same_ignoring_case(runtime::trimmed(list.substr(0, comma)), lower_case_word)) return true;
        if (comma == std::string_view::npos) return false;
        list.remove_prefix(comma + 1);
    }
}

}  // namespace http::websocket
