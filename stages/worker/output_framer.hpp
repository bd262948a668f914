// Cuts a program's output stream into frames that an event can carry. Putting the frames' bytes together gives the
// stream's bytes exactly, up to the limit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace stages::worker {

// What one output event holds at most.
inline constexpr std::size_t output_frame_bytes_max = 64 * 1024;

struct output_frame {
    std::uint64_t offset = 0;  // of its first byte in the stream
    bool is_text = true;       // the bytes are whole, valid UTF-8
    std::string bytes;
};

// One stream of one attempt; no input or output here. A frame whose bytes are valid UTF-8 is text. The beginning of a
// character waits for its rest, or for finish(). Above the limit everything is dropped; where the stream was text so
// far the cut steps back to the end of a character, so that cut text is still text.
class output_framer {
  public:
    explicit output_framer(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

    [[nodiscard]] std::vector<output_frame> feed(std::string_view bytes);
    // The end of the stream: what waited goes as it is.
    [[nodiscard]] std::vector<output_frame> finish();
    [[nodiscard]] bool truncated() const { return truncated_; }

  private:
    void cut(std::string_view bytes, std::vector<output_frame>& out);

    std::uint64_t bytes_max_;
    std::uint64_t offset_ = 0;  // of the first byte that is in no frame yet
    std::string waiting_;       // the beginning of a character, at most 3 bytes
    bool text_so_far_ = true;
    bool truncated_ = false;
};

}  // namespace stages::worker
