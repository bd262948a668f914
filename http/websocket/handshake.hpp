// The opening of a WebSocket (RFC 6455, section 4): values of header fields only.
#pragma once

#include <string>
#include <string_view>

namespace http::websocket {

// 16 bytes in base64.
bool is_key(std::string_view value);
// Sec-WebSocket-Accept for a Sec-WebSocket-Key.
std::string accept_of(std::string_view key);
// True if a comma-separated field has the word, in whatever case.
bool has_token(std::string_view list, std::string_view lower_case_word);

}  // namespace http::websocket
