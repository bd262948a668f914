// WebSocket frames (RFC 6455, section 5), for a server and for a client; knows nothing of sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace http::websocket {

enum class role : std::uint8_t { server, client };

// Why a connection is closed; the numbers of section 7.4.1.
enum class close_code : std::uint16_t {
    normal = 1000,
    going_away = 1001,
    protocol_error = 1002,
    unsupported = 1003,
    none = 1005,  // never on the wire: the frame had no code
    not_text = 1007,
    policy = 1008,
    too_large = 1009,
    internal = 1011
};

enum class opcode : std::uint8_t { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

inline constexpr std::size_t control_bytes_max = 125;
inline constexpr std::size_t close_reason_bytes_max = control_bytes_max - 2;

// Adds one whole frame. A client's is masked with `mask`, which must be random; a server's is not.
void append_frame(std::string& out, opcode what, std::string_view payload, role from, std::uint32_t mask = 0);
// The payload of a close frame; a reason that is too long is cut between characters.
std::string close_payload(close_code why, std::string_view reason);

struct close_view {
    close_code why = close_code::none;
    std::string reason;
};

// What a peer said. `text` is valid UTF-8.
struct message {
    opcode what = opcode::binary;  // text, binary, close, ping or pong
    std::string payload;           // of a close: its reason
    close_code why = close_code::none;
};

// Cuts messages out of bytes, split anywhere. Limits: a message, its fragments together, has at most message_bytes_max.
class frame_reader {
  public:
    // `reader` is our own side: a server takes masked frames only, a client only others.
    frame_reader(role reader, std::size_t message_bytes_max) : role_(reader), message_bytes_max_(message_bytes_max) {}

    enum class state : std::uint8_t { needs_more, message, failed };
    // Takes bytes off `bytes` until a message is whole, which `out` then has; call again while there are any. After
    // `failed`, fault() says how to close; nothing more is read.
    state read(std::string_view& bytes, message& out);
    [[nodiscard]] close_code fault() const { return fault_; }

  private:
    static constexpr std::size_t head_bytes_max = 14;

    [[nodiscard]] std::size_t head_size() const;
    bool begin_frame();
    state end_frame(message& out);
    state end_close(message& out);
    state fail(close_code why);

    role role_;
    std::size_t message_bytes_max_;
    std::string head_;  // of the frame that is being read
    bool in_body_ = false;
    opcode frame_ = opcode::continuation;
    bool final_ = false;
    std::uint8_t mask_[4] = {};
    std::uint64_t left_ = 0;              // bytes of the frame's body
    std::size_t position_ = 0;            // within its body
    opcode kind_ = opcode::continuation;  // of the message whose fragments come; continuation: none
    std::string parts_;
    std::string control_;
    close_code fault_ = close_code::none;
};

}  // namespace http::websocket
