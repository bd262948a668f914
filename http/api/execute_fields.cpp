#include "http/api/execute_fields.hpp"

#include <algorithm>

#include "runtime/base/encoding.hpp"

namespace http::api {
namespace {

using simdjson::dom::element_type;

constexpr std::size_t script_characters_max = 50'000;
constexpr std::size_t args_max = 64;
constexpr std::size_t arg_bytes_max = 4096;
constexpr std::size_t standard_input_bytes_max = 1U << 20;
constexpr std::size_t labels_max = 16;
constexpr std::size_t label_key_bytes_max = 64;
constexpr std::size_t label_value_bytes_max = 256;
constexpr std::uint32_t attempts_max = 10;
constexpr std::uint32_t attempts_default = 3;
constexpr std::uint64_t backoff_ms_default = 500;
constexpr std::uint64_t backoff_ms_max = 3'600'000;
constexpr std::size_t shown_name_bytes_max = 256;
constexpr std::size_t runtime_name_bytes_max = 64;
constexpr std::size_t members_max = 256;  // of one object, however wrong

}  // namespace

std::string at_most(std::uint64_t bound, std::string_view unit) {
    return "at most " + std::to_string(bound) + " " + std::string(unit);
}

std::string execute_fields::token(std::string_view name) {
    std::string out = "/";
    for (const char c : name) {
        if (c == '~') {
            out += "~0";
        } else if (c == '/') {
            out += "~1";
        } else {
            out += c;
        }
        // An attacker's name is not repeated at any length; a cut is made between characters.
        if (out.size() > shown_name_bytes_max && runtime::utf8_incomplete_tail(out) == 0) break;
    }
    return out;
}

void execute_fields::reached(std::string name, std::uint64_t value) {
    if (!limit_.empty()) return;
    limit_ = std::move(name);
    limit_value_ = value;
}

void execute_fields::add(std::string pointer, std::string_view code, std::string detail) {
    ++found_;
    if (errors_.size() < errors_max_) errors_.push_back({std::move(pointer), std::string(code), std::move(detail)});
}

std::string execute_fields::summary() const {
    if (found_ == 1) return "1 field is not as it must be";
    std::string out = std::to_string(found_) + " fields are not as they must be";
    if (found_ > errors_.size()) out += "; the first " + std::to_string(errors_.size()) + " are listed";
    return out;
}

bool execute_fields::members_in_order(object at, const std::string& pointer) {
    std::vector<std::string_view> names;
    for (const auto member : at) {
        if (names.size() == members_max) {
            add(pointer, "too_many", at_most(members_max, "members"));
            return false;
        }
        names.push_back(member.key);
    }
    std::sort(names.begin(), names.end());
    for (auto it = names.begin(); (it = std::adjacent_find(it, names.end())) != names.end();) {
        add(pointer + token(*it), "duplicate_member", "this member stands here more than once");
        it = std::upper_bound(it, names.end(), *it);
    }
    return true;
}

bool execute_fields::text(element at, const std::string& pointer, std::string_view& out) {
    if (at.get(out) == simdjson::SUCCESS) return true;
    add(pointer, "wrong_type", "must be a string");
    return false;
}

bool execute_fields::number(element at, const std::string& pointer, std::uint64_t& out) {
    if (at.type() == element_type::UINT64 || (at.type() == element_type::INT64 && std::int64_t(at) >= 0)) {
        out = std::uint64_t(at);
        return true;
    }
    if (at.type() == element_type::INT64) {
        add(pointer, "below_minimum", "must not be negative");
    } else {
        add(pointer, "wrong_type", "must be a whole number");
    }
    return false;
}

void execute_fields::read(element root) {
    // A box without a network has no effects outside, so that there may be another attempt.
    out_.retry.attempts_max = attempts_default;
    out_.retry.on = {pipeline::error_type::infrastructure};
    out_.retry.backoff_ms = backoff_ms_default;
    out_.limits = limits_.defaults;
    if (root.type() != element_type::OBJECT) {
        add("", "wrong_type", "the body must be an object");
        return;
    }
    // What stands within a field that is unknown or of another type is refused with it; nobody looks inside.
    if (!members_in_order(object(root), "")) return;
    for (const auto member : object(root)) field(member.key, member.value);
    if (!have_script_) add("/script", "required", "this field is required");
    runtime_pair();
    check_file_names();
    // What was typed to an attempt that failed is gone, so that another one is not the same again.
    const bool has_effects = out_.network.mode != pipeline::network_mode::none;
    if ((out_.interactive || has_effects) && !have_retry_) out_.retry.attempts_max = 1;
}

void execute_fields::field(std::string_view name, element at) {
    std::string_view value;
    if (name == "script") {
        script(at);
    } else if (name == "lang") {
        bad_lang_ = !text(at, "/lang", value);
        if (!bad_lang_) out_.lang = value;
    } else if (name == "lang_version") {
        have_version_ = true;
        if (text(at, "/lang_version", value)) {
            out_.lang_version = value;
        } else {
            bad_lang_ = true;
        }
    } else if (name == "args") {
        args(at);
    } else if (name == "stdin") {
        standard_input(at);
    } else if (name == "files") {
        files(at);
    } else if (name == "outputs") {
        outputs(at);
    } else if (name == "network") {
        network(at);
    } else if (name == "isolation") {
        isolation(at);
    } else if (name == "priority") {
        priority(at);
    } else if (name == "limits") {
        limits(at);
    } else if (name == "interactive") {
        interactive(at);
    } else if (name == "retry") {
        have_retry_ = true;
        retry(at);
    } else if (name == "labels") {
        labels(at);
    } else {
        add(token(name), "unknown_field", "there is no such field");
    }
}

void execute_fields::script(element at) {
    have_script_ = true;
    std::string_view value;
    if (!text(at, "/script", value)) return;
    if (value.empty()) {
        add("/script", "too_short", "must not be empty");
    } else if (value.size() > script_characters_max && runtime::utf8_length(value) > script_characters_max) {
        add("/script", "too_long", at_most(script_characters_max, "characters"));
    } else {
        out_.script = value;
    }
}

void execute_fields::args(element at) {
    simdjson::dom::array list;
    if (at.get(list) != simdjson::SUCCESS) return add("/args", "wrong_type", "must be an array of strings");
    // Not size(), which saturates; nothing behind the bound is looked at.
    std::size_t index = 0;
    for (const element one : list) {
        if (index == args_max) return add("/args", "too_many", at_most(args_max, "arguments"));
        const std::string pointer = "/args/" + std::to_string(index++);
        std::string_view value;
        if (!text(one, pointer, value)) continue;
        if (value.size() > arg_bytes_max) {
            add(pointer, "too_long", at_most(arg_bytes_max, "bytes"));
        } else if (value.find('\0') != std::string_view::npos) {
            add(pointer, "invalid_character", "an argument cannot hold a NUL");
        } else {
            out_.args.emplace_back(value);
        }
    }
}

void execute_fields::standard_input(element at) {
    std::string_view value;
    if (at.type() == element_type::STRING) {
        value = std::string_view(at);
        if (value.size() > standard_input_bytes_max)
            return add("/stdin", "too_long", at_most(standard_input_bytes_max, "bytes"));
        out_.standard_input = value;
        return;
    }
    object holder;
    if (at.get(holder) != simdjson::SUCCESS)
        return add("/stdin", "wrong_type", "must be a string or an object with base64");
    if (!members_in_order(holder, "/stdin")) return;
    bool seen = false;
    for (const auto member : holder) {
        if (member.key != "base64") {
            add("/stdin" + token(member.key), "unknown_field", "there is no such field");
            continue;
        }
        seen = true;
        if (!text(member.value, "/stdin/base64", value)) continue;
        auto bytes = runtime::base64_decode(value);
        if (!bytes) {
            add("/stdin/base64", "invalid_base64", "must be base64 with padding");
        } else if (bytes->size() > standard_input_bytes_max) {
            add("/stdin/base64", "too_long", at_most(standard_input_bytes_max, "bytes"));
        } else {
            out_.standard_input = std::move(*bytes);
        }
    }
    if (!seen) add("/stdin/base64", "required", "this field is required");
}

void execute_fields::isolation(element at) {
    std::string_view value;
    if (!text(at, "/isolation", value)) return;
    if (value != "cold" && value != "warm") return add("/isolation", "unknown_value", "must be warm or cold");
    out_.cold_start = value == "cold";
}

void execute_fields::priority(element at) {
    std::string_view value;
    if (!text(at, "/priority", value)) return;
    const auto known = pipeline::parse_priority(value);
    if (!known) return add("/priority", "unknown_value", "must be critical, high, normal, low or background");
    out_.priority = *known;
}

void execute_fields::limit_number(std::string_view name, element at, std::uint64_t maximum, std::uint64_t& out) {
    const std::string pointer = "/limits/" + std::string(name);
    std::uint64_t value = 0;
    if (!number(at, pointer, value)) return;
    if (value == 0) return add(pointer, "below_minimum", "must be above 0");
    if (value > maximum) {
        reached("limits." + std::string(name) + "_max", maximum);
        return add(pointer, "above_maximum",
                   "at most " + std::to_string(maximum) + " (limits." + std::string(name) + "_max)");
    }
    out = value;
}

void execute_fields::limits(element at) {
    object holder;
    if (at.get(holder) != simdjson::SUCCESS) return add("/limits", "wrong_type", "must be an object");
    if (!members_in_order(holder, "/limits")) return;
    auto& to = out_.limits;
    const auto& maxima = limits_.maxima;
    for (const auto member : holder) {
        const auto name = member.key;
        if (name == "wall_ms") {
            limit_number(name, member.value, maxima.wall_ms, to.wall_ms);
        } else if (name == "cpu_ms") {
            limit_number(name, member.value, maxima.cpu_ms, to.cpu_ms);
        } else if (name == "memory_bytes") {
            limit_number(name, member.value, maxima.memory_bytes, to.memory_bytes);
        } else if (name == "processes") {
            limit_number(name, member.value, maxima.processes, to.processes);
        } else if (name == "output_bytes") {
            limit_number(name, member.value, maxima.output_bytes, to.output_bytes);
        } else if (name == "disk_bytes") {
            limit_number(name, member.value, maxima.disk_bytes, to.disk_bytes);
        } else if (name == "on_output_limit") {
            std::string_view value;
            if (!text(member.value, "/limits/on_output_limit", value)) continue;
            if (value != "truncate" && value != "kill")
                add("/limits/on_output_limit", "unknown_value", "must be truncate or kill");
            to.kill_on_output_limit = value == "kill";
        } else {
            add("/limits" + token(name), "unknown_field", "there is no such field");
        }
    }
}

void execute_fields::retry(element at) {
    object holder;
    if (at.get(holder) != simdjson::SUCCESS) return add("/retry", "wrong_type", "must be an object");
    if (!members_in_order(holder, "/retry")) return;
    std::uint64_t value = 0;
    for (const auto member : holder) {
        if (member.key == "max_attempts") {
            if (!number(member.value, "/retry/max_attempts", value)) continue;
            if (value == 0) {
                add("/retry/max_attempts", "below_minimum", "must be above 0");
            } else if (value > attempts_max) {
                add("/retry/max_attempts", "above_maximum", "at most " + std::to_string(attempts_max));
            } else {
                out_.retry.attempts_max = static_cast<std::uint32_t>(value);
            }
        } else if (member.key == "backoff_ms") {
            if (!number(member.value, "/retry/backoff_ms", value)) continue;
            if (value > backoff_ms_max) {
                add("/retry/backoff_ms", "above_maximum", "at most " + std::to_string(backoff_ms_max));
            } else {
                out_.retry.backoff_ms = value;
            }
        } else if (member.key == "on") {
            retry_on(member.value);
        } else {
            add("/retry" + token(member.key), "unknown_field", "there is no such field");
        }
    }
}

void execute_fields::retry_on(element at) {
    simdjson::dom::array list;
    if (at.get(list) != simdjson::SUCCESS) return add("/retry/on", "wrong_type", "must be an array of strings");
    out_.retry.on.clear();
    std::size_t index = 0;
    for (const element one : list) {
        const std::string pointer = "/retry/on/" + std::to_string(index++);
        if (index > 16) return add("/retry/on", "too_many", at_most(16, "entries"));
        std::string_view value;
        if (!text(one, pointer, value)) continue;
        const auto known = pipeline::parse_error_type(value);
        if (!known || *known == pipeline::error_type::cancelled) {
            add(pointer, "unknown_value", "must be an error_type other than cancelled");
        } else if (std::find(out_.retry.on.begin(), out_.retry.on.end(), *known) == out_.retry.on.end()) {
            out_.retry.on.push_back(*known);
        }
    }
}

void execute_fields::labels(element at) {
    object holder;
    if (at.get(holder) != simdjson::SUCCESS) return add("/labels", "wrong_type", "must be an object of strings");
    if (!members_in_order(holder, "/labels")) return;
    std::size_t count = 0;
    for (const auto member : holder) {
        if (++count > labels_max) return add("/labels", "too_many", at_most(labels_max, "labels"));
        const std::string pointer = "/labels" + token(member.key);
        std::string_view value;
        if (!text(member.value, pointer, value)) continue;
        if (member.key.empty()) {
            add(pointer, "too_short", "a label's name must not be empty");
        } else if (member.key.size() > label_key_bytes_max) {
            add(pointer, "too_long", "a label's name has at most " + std::to_string(label_key_bytes_max) + " bytes");
        } else if (value.size() > label_value_bytes_max) {
            add(pointer, "too_long", at_most(label_value_bytes_max, "bytes"));
        } else {
            out_.labels.insert_or_assign(std::string(member.key), std::string(value));
        }
    }
}

void execute_fields::runtime_pair() {
    if (bad_lang_) return;
    for (const auto& runtime : limits_.runtimes) {
        if (runtime.lang != out_.lang) continue;
        if (!have_version_) {
            out_.lang_version = runtime.versions.empty() ? std::string() : runtime.versions.front();
            return;
        }
        const auto& known = runtime.versions;
        if (limits_.any_runtime || std::find(known.begin(), known.end(), out_.lang_version) != known.end()) return;
        std::string names;
        for (const auto& version : known) names += (names.empty() ? "" : ", ") + version;
        return add("/lang_version", "unknown_value", "the versions there are: " + names);
    }
    if (limits_.any_runtime) {
        if (out_.lang.empty() || out_.lang.size() > runtime_name_bytes_max)
            return add("/lang", "too_long", "1 to 64 bytes");
        if (out_.lang_version.size() > runtime_name_bytes_max)
            return add("/lang_version", "too_long", at_most(runtime_name_bytes_max, "bytes"));
        if (!have_version_) out_.lang_version = "default";
        return;
    }
    add("/lang", "unknown_value", "GET /api/v1/k8s-limits lists the languages there are");
}

}  // namespace http::api
