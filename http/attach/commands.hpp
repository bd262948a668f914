// What an attached client may say in a text message; bytes for the program come in binary ones.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "pipeline/engine.hpp"

namespace http::attach {

struct command {
    enum class kind : std::uint8_t { resize, signal, end };
    kind what = kind::end;
    pipeline::terminal_size size;  // resize
    int signal = 0;                // a sendable one
};

// Keeps a JSON parser. Shard: its own only.
class command_reader {
  public:
    command_reader();
    ~command_reader();

    // Empty when `out` was filled, else what is wrong with the text, naming the field and its limit.
    std::string read(std::string& text, command& out);

  private:
    class parser;
    std::unique_ptr<parser> parser_;
};

}  // namespace http::attach
