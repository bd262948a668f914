// A request's head as the front door has checked it. Holds places in the connection's buffer, not text, so that it
// stays right when the buffer moves; views are made on demand and are valid until the buffer changes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace http::front_door {

enum class method : std::uint8_t { get, head, post, put, delete_, options, patch, connect, trace };

std::string_view to_string(method value);
std::optional<method> parse_method(std::string_view name);

struct span_of_text {
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
};

struct field_place {
    span_of_text name;
    span_of_text value;
};

struct request_head {
    method verb = method::get;
    bool http_1_0 = false;
    bool keep_alive = true;
    bool chunked = false;
    bool expects_continue = false;
    std::uint64_t content_length = 0;  // 0 when chunked
    span_of_text path;                 // without the query
    span_of_text query;                // without the question mark
    std::vector<field_place> fields;

    [[nodiscard]] bool has_body() const { return chunked || content_length > 0; }
    // Keeps the memory of `fields`.
    void clear();
};

// A head and the bytes it points into.
class head_view {
  public:
    head_view(const request_head& head, const char* base) : head_(&head), base_(base) {}

    [[nodiscard]] method verb() const { return head_->verb; }
    [[nodiscard]] const request_head& head() const { return *head_; }
    [[nodiscard]] std::string_view path() const { return text(head_->path); }
    [[nodiscard]] std::string_view query() const { return text(head_->query); }
    // The first field of that name, which is given in lower case; nothing if there is none.
    [[nodiscard]] std::optional<std::string_view> field(std::string_view name) const;
    // How often it stands there.
    [[nodiscard]] std::size_t count(std::string_view name) const;
    // Calls f(value) for each field of that name, in order.
    template <class F>
    void each(std::string_view name, F f) const;

  private:
    [[nodiscard]] std::string_view text(span_of_text place) const { return {base_ + place.offset, place.size}; }
    [[nodiscard]] bool is_named(const field_place& field, std::string_view name) const;

    const request_head* head_;
    const char* base_;
};

template <class F>
void head_view::each(std::string_view name, F f) const {
    for (const auto& field : head_->fields)
        if (is_named(field, name)) f(text(field.value));
}

}  // namespace http::front_door
