#include "http/json_writer.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace http {
namespace {

// 0: as it is; 'u': \u00XX; any other: behind a backslash.
constexpr std::array<char, 256> make_escapes() {
    std::array<char, 256> out{};
    for (std::size_t i = 0; i < 0x20; ++i) out[i] = 'u';
    out['\b'] = 'b';
    out['\f'] = 'f';
    out['\n'] = 'n';
    out['\r'] = 'r';
    out['\t'] = 't';
    out['"'] = '"';
    out['\\'] = '\\';
    out[0x7F] = 'u';
    return out;
}
constexpr std::array<char, 256> escapes = make_escapes();

// Whether one of eight bytes has an escape: each byte's own top bit says so, and no byte's sum reaches the next one's.
bool has_escape(std::uint64_t eight) {
    constexpr std::uint64_t each = 0x0101010101010101;
    constexpr std::uint64_t low = 0x7F * each;
    const std::uint64_t top = eight & ~low;
    const auto differs = [&](std::uint64_t byte) { return ((eight ^ (byte * each)) & low) + low; };
    const std::uint64_t as_it_is = (((eight & low) + 0x60 * each) & differs('"') & differs('\\') & differs(0x7F)) | top;
    return (as_it_is & ~low) != ~low;
}

// Where the first byte from `at` on is that has an escape, or the end.
std::size_t next_escape(std::string_view text, std::size_t at) {
    for (std::uint64_t eight = 0; at + sizeof eight <= text.size(); at += sizeof eight) {
        std::memcpy(&eight, text.data() + at, sizeof eight);
        if (has_escape(eight)) break;
    }
    while (at < text.size() && escapes[static_cast<unsigned char>(text[at])] == 0) ++at;
    return at;
}

}  // namespace

void append_escaped(std::string& out, std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    for (std::size_t plain = 0;;) {
        const std::size_t at = next_escape(text, plain);
        out.append(text, plain, at - plain);
        if (at == text.size()) return;
        const auto byte = static_cast<unsigned char>(text[at]);
        const char how = escapes[byte];
        out.push_back('\\');
        out.push_back(how);
        if (how == 'u') {
            out.append("00");
            out.push_back(digits[byte >> 4]);
            out.push_back(digits[byte & 15]);
        }
        plain = at + 1;
    }
}

void append_number(std::string& out, std::uint64_t value) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out.append(digits.data(), end);
}

void json_writer::before_value() {
    if (need_comma_) out_.push_back(',');
    need_comma_ = true;
}

json_writer& json_writer::open(char bracket) {
    before_value();
    out_.push_back(bracket);
    need_comma_ = false;
    return *this;
}

json_writer& json_writer::close(char bracket) {
    out_.push_back(bracket);
    need_comma_ = true;
    return *this;
}

json_writer& json_writer::key(std::string_view name) {
    value(name);
    out_.push_back(':');
    need_comma_ = false;
    return *this;
}

json_writer& json_writer::value(std::string_view text) {
    before_value();
    out_.push_back('"');
    append_escaped(out_, text);
    out_.push_back('"');
    return *this;
}

json_writer& json_writer::value(bool yes) {
    before_value();
    out_.append(yes ? "true" : "false");
    return *this;
}

json_writer& json_writer::value(std::uint64_t number) {
    before_value();
    append_number(out_, number);
    return *this;
}

json_writer& json_writer::value(std::int64_t number) {
    before_value();
    if (number < 0) out_.push_back('-');
    append_number(out_, number < 0 ? 0 - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number));
    return *this;
}

json_writer& json_writer::null() {
    before_value();
    out_.append("null");
    return *this;
}

json_writer& json_writer::value(runtime::utc_time time) { return value(runtime::to_rfc3339(time)); }

json_writer& json_writer::value(const std::map<std::string, std::string>& pairs) {
    begin_object();
    for (const auto& [name, text] : pairs) member(name, text);
    return end_object();
}

json_writer& json_writer::seconds(std::uint64_t microseconds) {
    before_value();
    append_number(out_, microseconds / 1'000'000);
    auto rest = microseconds % 1'000'000;
    if (rest == 0) return *this;
    std::array<char, 7> digits{'.', '0', '0', '0', '0', '0', '0'};
    for (std::size_t i = 6; i > 0; --i, rest /= 10) digits[i] = static_cast<char>('0' + rest % 10);
    std::string_view shown(digits.data(), digits.size());
    while (shown.back() == '0') shown.remove_suffix(1);
    out_.append(shown);
    return *this;
}

}  // namespace http
