// Writes JSON (RFC 8259) behind a string. Commas are put by the writer; no locale, no floating point, one line.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/base/time.hpp"

namespace http {

// Adds `text`, which must be valid UTF-8, escaped and without quotes.
void append_escaped(std::string& out, std::string_view text);
void append_number(std::string& out, std::uint64_t value);

// Not owning: `out` outlives it. The caller closes what it opens.
class json_writer {
  public:
    explicit json_writer(std::string& out) : out_(out) {}

    json_writer& begin_object() { return open('{'); }
    json_writer& end_object() { return close('}'); }
    json_writer& begin_array() { return open('['); }
    json_writer& end_array() { return close(']'); }
    // The name of the member that the next value belongs to.
    json_writer& key(std::string_view name);

    json_writer& value(std::string_view text);
    json_writer& value(const char* text) { return value(std::string_view(text)); }
    json_writer& value(bool yes);
    json_writer& value(std::uint64_t number);
    json_writer& value(std::int64_t number);
    json_writer& value(std::uint32_t number) { return value(std::uint64_t{number}); }
    json_writer& value(std::int32_t number) { return value(std::int64_t{number}); }
    json_writer& null();
    json_writer& value(runtime::utc_time time);
    json_writer& value(const std::map<std::string, std::string>& pairs);
    // Microseconds as seconds, exactly: 1500000 is 1.5.
    json_writer& seconds(std::uint64_t microseconds);

    template <class T>
    json_writer& optional(const std::optional<T>& maybe) {
        return maybe ? value(*maybe) : null();
    }
    template <class T>
    json_writer& member(std::string_view name, const T& what) {
        key(name);
        return value(what);
    }
    template <class T>
    json_writer& member(std::string_view name, const std::optional<T>& maybe) {
        key(name);
        return optional(maybe);
    }

  private:
    json_writer& open(char bracket);
    json_writer& close(char bracket);
    void before_value();

    std::string& out_;
    bool need_comma_ = false;
};

}  // namespace http
