#include "bench/workload.hpp"

namespace bench {
namespace {

constexpr std::string_view placeholder = "{{n}}";

json::object body_object(const workload_text& text) {
    json::object out;
    out["script"] = text.script;
    if (!text.lang.empty()) out["lang"] = text.lang;
    if (!text.lang_version.empty()) out["lang_version"] = text.lang_version;
    if (!text.priority.empty()) out["priority"] = text.priority;
    if (!text.standard_input.empty()) out["stdin"] = text.standard_input;
    if (!text.arguments.empty()) {
        json::array arguments;
        for (const auto& one : text.arguments) arguments.emplace_back(one);
        out["args"] = std::move(arguments);
    }
    if (!text.limits.empty()) {
        json::object limits;
        for (const auto& [name, limit] : text.limits) limits[name] = limit;
        out["limits"] = std::move(limits);
    }
    return out;
}

}  // namespace

workload::workload(workload_text text)
    : text_(std::move(text)),
      body_(cut(json::compact(body_object(text_)))),
      output_(cut(text_.expected_output.value_or(std::string()))) {}

workload::pieces workload::cut(const std::string& text) {
    pieces out;
    std::size_t from = 0;
    for (auto at = text.find(placeholder); at != std::string::npos; at = text.find(placeholder, from)) {
        out.push_back(text.substr(from, at - from));
        from = at + placeholder.size();
    }
    out.push_back(text.substr(from));
    return out;
}

std::string workload::join(const pieces& from, std::uint64_t number) {
    std::string out = from.front();
    const std::string digits = std::to_string(number);
    for (std::size_t i = 1; i < from.size(); ++i) {
        out += digits;
        out += from[i];
    }
    return out;
}

std::string workload::body_of(std::uint64_t number) const { return join(body_, number); }

std::optional<std::string> workload::output_of(std::uint64_t number) const {
    if (!text_.expected_output) return std::nullopt;
    return join(output_, number);
}

json::value workload::to_json() const {
    json::object out;
    out["body"] = body_object(text_);
    if (text_.expected_output) {
        out["expected_output"] = *text_.expected_output;
    } else {
        out["expected_output"] = nullptr;
    }
    out["expected_status"] = text_.expected_status;
    return out;
}

workload workload::from_json(const json::value& from) {
    workload_text text;
    static const json::value none = json::object();
    const auto* found = json::find(from, "body");
    const json::value& body = found == nullptr ? none : *found;
    text.script = json::text_of(body, "script");
    text.lang = json::text_of(body, "lang");
    text.lang_version = json::text_of(body, "lang_version");
    text.priority = json::text_of(body, "priority");
    text.standard_input = json::text_of(body, "stdin");
    if (const auto* arguments = json::find(body, "args"); arguments != nullptr && arguments->is_array())
        for (const auto& one : arguments->get_array())
            if (one.is_string()) text.arguments.emplace_back(one.get_string());
    if (const auto* limits = json::find(body, "limits"); limits != nullptr && limits->is_object())
        for (const auto& [name, limit] : limits->get_object())
            text.limits.emplace_back(name, json::count_of(*limits, name));
    const auto* output = json::find(from, "expected_output");
    if (output != nullptr && output->is_string()) {
        text.expected_output = std::string(output->get_string());
    } else {
        text.expected_output.reset();
    }
    text.expected_status = json::text_of(from, "expected_status", "completed");
    return workload(std::move(text));
}

}  // namespace bench
