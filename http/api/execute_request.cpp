#include "http/api/execute_request.hpp"

#include <simdjson.h>

#include "http/api/execute_fields.hpp"

namespace http::api {
namespace {

// A parser that once saw a large document keeps its memory; above this it is made anew.
constexpr std::size_t parser_bytes_kept_max = 1U << 20;

std::string what_is_malformed(simdjson::error_code error) {
    switch (error) {
        case simdjson::UTF8_ERROR: return "the body is not valid UTF-8";
        case simdjson::DEPTH_ERROR: return "the body is nested too deep";
        case simdjson::EMPTY: return "the body is empty";
        case simdjson::NUMBER_ERROR: return "the body has a number that is malformed or out of range";
        case simdjson::STRING_ERROR: return "the body has a string with a bad escape or a lone surrogate";
        case simdjson::UNESCAPED_CHARS: return "the body has a control character within a string";
        case simdjson::UNCLOSED_STRING: return "the body has a string without an end";
        default: return "the body is not one well-formed JSON text";
    }
}

}  // namespace

class execute_reader::parser {
  public:
    simdjson::dom::parser json;
};

execute_reader::execute_reader(std::size_t depth_max, std::size_t errors_max)
    : parser_(std::make_unique<parser>()), depth_max_(depth_max), errors_max_(errors_max) {}
execute_reader::~execute_reader() = default;
execute_reader::execute_reader(execute_reader&&) noexcept = default;
execute_reader& execute_reader::operator=(execute_reader&&) noexcept = default;

std::optional<problem> execute_reader::read(std::string& body, const pipeline::operator_limits& limits,
                                            pipeline::script_request& out) {
    if (parser_->json.capacity() > parser_bytes_kept_max) parser_ = std::make_unique<parser>();
    // simdjson reads beyond the end, up to its padding.
    if (body.capacity() - body.size() < simdjson::SIMDJSON_PADDING)
        body.reserve(body.size() + simdjson::SIMDJSON_PADDING);
    auto& json = parser_->json;
    simdjson::error_code error = simdjson::SUCCESS;
    if (json.capacity() < body.size() || json.max_depth() != depth_max_)
        error = json.allocate(std::max<std::size_t>(body.size(), 4096), depth_max_);
    simdjson::dom::element root;
    if (error == simdjson::SUCCESS) error = json.parse(body.data(), body.size(), false).get(root);
    if (error == simdjson::MEMALLOC) return problem("internal", "no memory to read the body");
    if (error != simdjson::SUCCESS) return problem("malformed_json", what_is_malformed(error));

    execute_fields fields(limits, errors_max_, out);
    fields.read(root);
    if (fields.errors().empty()) return std::nullopt;
    problem bad("invalid", fields.summary());
    bad.errors = std::move(fields.errors());
    bad.limit = fields.limit();
    bad.limit_value = fields.limit_value();
    return bad;
}

}  // namespace http::api
