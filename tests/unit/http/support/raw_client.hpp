// A blocking client that sends bytes as they are, for tests from outside the shards.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace http::testing {

struct raw_answer {
    int status = 0;                             // 0: none came
    std::map<std::string, std::string> fields;  // names in lower case
    std::string body;                           // without its chunks
    bool whole = false;
    [[nodiscard]] std::string field(const std::string& name) const {
        const auto it = fields.find(name);
        return it == fields.end() ? std::string() : it->second;
    }
};

class raw_client {
  public:
    explicit raw_client(std::uint16_t port);
    ~raw_client();
    raw_client(raw_client&& other) noexcept;
    raw_client(const raw_client&) = delete;

    // False once the server has closed or reset.
    bool send(std::string_view bytes);
    // Waits for more bytes; false at the end or after `patience`.
    bool receive(std::chrono::milliseconds patience = std::chrono::seconds(5));
    // One answer; to a HEAD it has no body.
    raw_answer answer(bool to_head = false);
    raw_answer ask(std::string_view bytes, bool to_head = false) {
        send(bytes);
        return answer(to_head);
    }
    // Everything up to the server's end.
    std::string rest();
    // Bytes received and not used.
    std::string& received() { return received_; }
    // Waits until `text` was received; false if it does not come.
    bool wait_for(std::string_view text, std::chrono::milliseconds patience = std::chrono::seconds(5));
    // True if the server ends the connection within `patience`.
    bool closed(std::chrono::milliseconds patience = std::chrono::seconds(5));
    void end_sending();
    void reset();  // closes with RST
    [[nodiscard]] int handle() const { return fd_; }
    [[nodiscard]] std::uint16_t local_port() const;

  private:
    bool take_chunks(std::string& body);

    int fd_ = -1;
    bool ended_ = false;
    std::string received_;
};

// GET, or POST with a JSON body; `fields` are whole lines.
std::string get(std::string_view target, std::string_view fields = "");
std::string post(std::string_view target, std::string_view body, std::string_view fields = "");

}  // namespace http::testing
