#include "bench/json.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <cstdio>

namespace bench::json {
namespace {

constexpr std::size_t short_line = 100;

void print_scalar(std::string& out, const value& what) {
    switch (what.kind()) {
        case boost::json::kind::double_: out += number(what.get_double()); break;
        default: out += boost::json::serialize(what); break;
    }
}

void print_compact(std::string& out, const value& what, std::string_view space) {
    if (const auto* list = what.if_array()) {
        out += '[';
        for (const auto& one : *list) {
            if (&one != &list->front()) out += ',', out += space;
            print_compact(out, one, space);
        }
        out += ']';
    } else if (const auto* members = what.if_object()) {
        out += '{';
        bool first = true;
        for (const auto& [name, one] : *members) {
            if (!first) out += ',', out += space;
            first = false;
            out += quoted(name);
            out += ':';
            out += space;
            print_compact(out, one, space);
        }
        out += '}';
    } else {
        print_scalar(out, what);
    }
}

bool is_flat(const value& what) {
    if (const auto* list = what.if_array()) {
        for (const auto& one : *list)
            if (!one.is_number() && !(one.is_array() && is_flat(one))) return false;
        return true;
    }
    return false;
}

void print_pretty(std::string& out, const value& what, std::size_t depth) {
    if (!what.is_structured() || is_flat(what)) return print_compact(out, what, " ");
    std::string line;
    print_compact(line, what, " ");
    if (line.size() + 2 * depth <= short_line) {
        out += line;
        return;
    }
    const std::string indent(2 * depth + 2, ' ');
    const bool is_list = what.is_array();
    out += is_list ? '[' : '{';
    bool first = true;
    const auto begin_one = [&] {
        out += first ? "\n" : ",\n";
        first = false;
        out += indent;
    };
    if (is_list) {
        for (const auto& one : what.get_array()) {
            begin_one();
            print_pretty(out, one, depth + 1);
        }
    } else {
        for (const auto& [name, one] : what.get_object()) {
            begin_one();
            out += quoted(name);
            out += ": ";
            print_pretty(out, one, depth + 1);
        }
    }
    out += '\n';
    out.append(2 * depth, ' ');
    out += is_list ? ']' : '}';
}

}  // namespace

std::optional<value> parse(std::string_view text) {
    boost::system::error_code wrong;
    auto out = boost::json::parse(text, wrong);
    if (wrong) return std::nullopt;
    return out;
}

std::string pretty(const value& what) {
    std::string out;
    print_pretty(out, what, 0);
    return out + "\n";
}

std::string compact(const value& what) {
    std::string out;
    print_compact(out, what, "");
    return out;
}

std::string number(double what) {
    if (!std::isfinite(what)) return "null";
    if (std::fabs(what) < 1e15 && what == std::floor(what)) {
        char whole[32];
        std::snprintf(whole, sizeof whole, "%.0f", what);
        return whole;
    }
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", what);
    return text;
}

std::string quoted(std::string_view text) { return boost::json::serialize(boost::json::string_view(text)); }

const value* find(const value& in, std::string_view name) {
    const auto* members = in.if_object();
    return members == nullptr ? nullptr : members->if_contains(name);
}

std::string text_of(const value& in, std::string_view name, std::string_view fallback) {
    const auto* found = find(in, name);
    if (found == nullptr || !found->is_string()) return std::string(fallback);
    return std::string(found->get_string());
}

std::uint64_t count_of(const value& in, std::string_view name, std::uint64_t fallback) {
    const auto* found = find(in, name);
    if (found == nullptr) return fallback;
    if (found->is_uint64()) return found->get_uint64();
    if (found->is_int64() && found->get_int64() >= 0) return static_cast<std::uint64_t>(found->get_int64());
    return fallback;
}

bool flag_of(const value& in, std::string_view name) {
    const auto* found = find(in, name);
    return found != nullptr && found->is_bool() && found->get_bool();
}

double number_of(const value& in, std::string_view name, double fallback) {
    const auto* found = find(in, name);
    if (found == nullptr || !found->is_number()) return fallback;
    return found->to_number<double>();
}

object counts(const std::map<std::string, std::uint64_t>& from) {
    object out;
    for (const auto& [name, count] : from) out[name] = count;
    return out;
}

array texts(const std::vector<std::string>& from) {
    array out;
    for (const auto& one : from) out.emplace_back(one);
    return out;
}

}  // namespace bench::json
