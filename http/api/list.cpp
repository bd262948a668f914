// GET /api/v1/executions
#include "http/api/cursor.hpp"
#include "http/api/executions.hpp"
#include "http/api/render.hpp"
#include "http/front_door/grammar.hpp"
#include "http/query.hpp"

namespace http::api {
namespace {

constexpr std::size_t limit_default = 50;
constexpr std::size_t limit_max = 1000;
constexpr std::size_t labels_max = 16;

struct list_question {
    pipeline::list_filter filter;
    std::size_t limit = limit_default;
    std::optional<pipeline::execution_id> below;
    const std::string* cursor = nullptr;
};

std::optional<std::size_t> parse_limit(const std::string& text) {
    if (text.empty() || text.size() > 4 || !front_door::all(text, front_door::is_digit_class)) return std::nullopt;
    const auto value = static_cast<std::size_t>(std::stoul(text));
    return value >= 1 && value <= limit_max ? std::optional(value) : std::nullopt;
}

// What is wrong with one parameter; empty if nothing.
std::string take(list_question& out, const std::string& name, const std::string& value) {
    if (name == "status") {
        out.filter.only_status = pipeline::parse_status(value);
        return out.filter.only_status ? "" : "status is not a status";
    }
    if (name == "lang") {
        out.filter.lang = value;
        return value.empty() ? "lang is empty" : "";
    }
    if (name == "label") {
        const auto colon = value.find(':');
        if (colon == std::string::npos || colon == 0) return "label must be key:value";
        if (out.filter.labels.size() == labels_max) return "at most 16 labels";
        out.filter.labels.emplace_back(value.substr(0, colon), value.substr(colon + 1));
        return "";
    }
    if (name == "limit") {
        const auto limit = parse_limit(value);
        out.limit = limit.value_or(limit_default);
        return limit ? "" : "limit must be a number from 1 to 1000";
    }
    if (name == "cursor") {
        out.cursor = &value;
        return "";
    }
    return "there is no such parameter";
}

// Refuses what it does not know: a misspelt filter must not look like an answer.
std::optional<problem> read(const query& asked, const pipeline::principal& who, list_question& out) {
    for (const auto& [name, value] : asked.all()) {
        if (name != "label" && asked.count(name) > 1) return problem("bad_query", "a parameter stands there twice");
        const auto wrong = take(out, name, value);
        if (!wrong.empty()) return problem("bad_query", wrong);
    }
    if (out.cursor == nullptr) return std::nullopt;
    out.below = read_cursor(*out.cursor, who, out.filter);
    return out.below ? std::nullopt : std::optional(problem("bad_cursor", {}));
}

}  // namespace

runtime::task<response> list_executions(environment& here, const request& asked) {
    const auto parameters = query::parse(asked.head.query());
    list_question question;
    std::optional<problem> wrong;
    if (parameters) {
        wrong = read(*parameters, asked.who, question);
    } else {
        wrong.emplace("bad_query", "the query is not percent-encoded UTF-8, or has more than 64 parameters");
    }
    if (wrong) co_return problem_response(*wrong, asked.request_id);

    auto page = co_await here.engine.list(asked.who, question.filter, question.below, question.limit);
    if (page.has_error()) {
        const problem why(page.error());
        co_return problem_response(why, asked.request_id);
    }
    auto out = json_response(200, {});
    json_writer json(out.body);
    json.begin_object().key("items").begin_array();
    for (const auto& item : page.value().items) write_execution(json, item);
    json.end_array().key("next_cursor");
    if (page.value().next) {
        json.value(make_cursor(asked.who, question.filter, *page.value().next));
    } else {
        json.null();
    }
    json.end_object();
    co_return out;
}

}  // namespace http::api
