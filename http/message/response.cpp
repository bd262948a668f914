#include "http/message/response.hpp"

#include <array>
#include <charconv>
#include <chrono>

#include "http/json_writer.hpp"
#include "runtime/base/assert.hpp"

namespace http {
namespace {

std::string_view reason_of(std::uint16_t status) {
    switch (status) {
        case 200: return "OK";
        case 202: return "Accepted";
        case 204: return "No Content";
        case 206: return "Partial Content";
        case 304: return "Not Modified";
        case 400: return "Bad Request";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 413: return "Content Too Large";
        case 414: return "URI Too Long";
        case 415: return "Unsupported Media Type";
        case 416: return "Range Not Satisfiable";
        case 417: return "Expectation Failed";
        case 422: return "Unprocessable Content";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 503: return "Service Unavailable";
        case 505: return "HTTP Version Not Supported";
        case 507: return "Insufficient Storage";
        default: return "Unknown";
    }
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

void response::add_field(std::string_view name, std::string_view value) {
    WEIR_ASSERT(value.find_first_of("\r\n") == std::string_view::npos);
    append_field(fields, name, value);
}

response json_response(std::uint16_t status, std::string body) {
    response out;
    out.status = status;
    out.content_type = json_type;
    out.body = std::move(body);
    return out;
}

response text_response(std::uint16_t status, std::string body) {
    response out;
    out.status = status;
    out.content_type = text_type;
    out.body = std::move(body);
    return out;
}

response problem_response(const problem& what, std::string_view request_id) {
    response out;
    out.status = what.kind->status;
    out.content_type = problem_type;
    append_problem_json(out.body, what, request_id);
    const bool come_again = out.status == 429 || out.status == 503;
    if (what.retry_after_s > 0 || come_again)
        out.add_field("Retry-After", std::to_string(what.retry_after_s > 0 ? what.retry_after_s : 1));
    if (!what.allow.empty()) out.add_field("Allow", what.allow);
    if (!what.content_range.empty()) out.add_field("Content-Range", what.content_range);
    return out;
}

void append_head(std::string& out, const response& answer, const answer_frame& frame) {
    out.append("HTTP/1.1 ");
    append_number(out, answer.status);
    out.push_back(' ');
    out.append(reason_of(answer.status)).append("\r\nDate: ").append(frame.date).append("\r\n");
    if (!answer.content_type.empty()) append_field(out, "Content-Type", answer.content_type);
    if (frame.chunked) {
        // HTTP/1.0 has no chunks: there the end of the connection ends the body.
        if (!frame.http_1_0) out.append("Transfer-Encoding: chunked\r\n");
    } else if (answer.status != 204 && answer.status != 304 && !answer.source) {
        out.append("Content-Length: ");
        append_number(out, answer.body.size());
        out.append("\r\n");
    }
    append_field(out, "X-Request-Id", frame.request_id);
    out.append("X-Content-Type-Options: nosniff\r\n");
    out.append(answer.fields);
    if (!frame.keep_alive) {
        out.append("Connection: close\r\n");
    } else if (frame.http_1_0) {
        out.append("Connection: keep-alive\r\n");
    }
    out.append("\r\n");
}

void append_chunk(std::string& out, std::string_view bytes) {
    WEIR_ASSERT(!bytes.empty());
    std::array<char, 16> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), bytes.size(), 16).ptr;
    out.append(digits.data(), end).append("\r\n").append(bytes).append("\r\n");
}

std::string to_http_date(runtime::utc_time time) {
    constexpr std::array<std::string_view, 7> days = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    using namespace std::chrono;
    const sys_seconds at{seconds{time.microseconds_since_epoch / 1'000'000}};
    const auto day = floor<std::chrono::days>(at);
    const year_month_day date{day};
    const hh_mm_ss clock{at - day};
    std::string out(days[weekday{day}.c_encoding()]);
    const auto two = [&out](std::int64_t number) {
        out.push_back(static_cast<char>('0' + number / 10));
        out.push_back(static_cast<char>('0' + number % 10));
    };
    out.append(", ");
    two(static_cast<unsigned>(date.day()));
    out.append(" ").append(months[static_cast<unsigned>(date.month()) - 1]).append(" ");
    out.append(std::to_string(static_cast<int>(date.year()))).append(" ");
    two(clock.hours().count());
    out.push_back(':');
    two(clock.minutes().count());
    out.push_back(':');
    two(clock.seconds().count());
    return out.append(" GMT");
}

}  // namespace http
