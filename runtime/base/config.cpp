#include "runtime/base/config.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "runtime/base/assert.hpp"

namespace runtime {
namespace {

struct suffix {
    std::string_view text;
    std::int64_t factor;
};
constexpr std::array duration_suffixes{suffix{"ms", 1}, suffix{"s", 1'000}, suffix{"m", 60'000},
                                       suffix{"h", 3'600'000}};
constexpr std::array byte_suffixes{suffix{"KiB", 1LL << 10}, suffix{"MiB", 1LL << 20}, suffix{"GiB", 1LL << 30}};

// Digits in front, at most 18, so that nothing overflows before the bounds are checked.
std::optional<std::int64_t> leading_number(std::string_view text, std::string_view& rest) {
    std::int64_t number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failure != std::errc{} || text.front() == '+') return std::nullopt;
    rest = text.substr(static_cast<std::size_t>(end - text.data()));
    return number;
}

template <class Suffixes>
std::optional<std::int64_t> factor_of(const Suffixes& known, std::string_view text) {
    for (const suffix& one : known)
        if (one.text == text) return one.factor;
    return std::nullopt;
}

// A number with one of the known units behind it, or with none.
template <class Suffixes>
std::optional<std::int64_t> scaled_number(std::string_view text, const Suffixes& known, bool& has_unit) {
    std::string_view rest;
    const auto number = text.empty() ? std::nullopt : leading_number(text, rest);
    has_unit = !rest.empty();
    if (!number || !has_unit) return number;
    const auto factor = factor_of(known, rest);
    std::int64_t product = 0;
    if (!factor || __builtin_mul_overflow(*number, *factor, &product)) return std::nullopt;
    return product;
}

std::int64_t unit_in_ms(const property& p) { return p.unit == "s" ? 1'000 : 1; }

// The number in the property's unit; nothing if it is none.
std::optional<std::int64_t> parse_number(const property& p, std::string_view text) {
    bool has_unit = false;
    if (p.kind == property_kind::bytes) return parse_bytes(text);
    if (p.kind != property_kind::duration) return scaled_number(text, std::array<suffix, 0>{}, has_unit);
    const auto number = scaled_number(text, duration_suffixes, has_unit);
    if (!number || !has_unit) return number;
    if (*number % unit_in_ms(p) != 0) return std::nullopt;
    return *number / unit_in_ms(p);
}

std::optional<bool> parse_boolean(std::string_view text) {
    for (const auto* yes : {"true", "yes", "on", "1"})
        if (text == yes) return true;
    for (const auto* no : {"false", "no", "off", "0"})
        if (text == no) return false;
    return std::nullopt;
}

constexpr std::string_view any_rest = ":…";

bool is_choice(std::string_view choices, std::string_view text) {
    if (choices.empty()) return true;
    while (true) {
        const auto bar = choices.find('|');
        std::string_view one = choices.substr(0, bar);
        if (one.ends_with(any_rest)) {
            one.remove_suffix(any_rest.size() - 1);
            if (text.size() > one.size() && text.starts_with(one)) return true;
        } else if (one == text) {
            return true;
        }
        if (bar == std::string_view::npos) return false;
        choices.remove_prefix(bar + 1);
    }
}

std::string with_unit(const property& p, std::int64_t number) {
    std::string text = std::to_string(number);
    if (p.kind == property_kind::bytes) return text + " bytes";
    return p.unit.empty() ? text : text + " " + std::string(p.unit);
}

// Why `text` is no value of a numeric property, or nothing and the number.
std::string check_number(const property& p, std::string_view text, std::int64_t& number) {
    const auto parsed = parse_number(p, text);
    if (!parsed) {
        if (p.kind == property_kind::bytes) return "is not a number of bytes such as 4096, 64KiB, 16MiB or 1GiB";
        if (p.kind == property_kind::duration)
            return "is not a duration such as 250ms, 5s, 10m or 24h (a plain number is in " + std::string(p.unit) + ")";
        return "is not a whole number";
    }
    if (*parsed < p.min) return "is below the least allowed, " + with_unit(p, p.min);
    if (*parsed > p.max) return "is above the most allowed, " + with_unit(p, p.max);
    number = *parsed;
    return {};
}

std::string check_value(const property& p, std::string_view text, std::int64_t& number) {
    switch (p.kind) {
        case property_kind::integer:
        case property_kind::duration:
        case property_kind::bytes: return check_number(p, text, number);
        case property_kind::boolean:
            if (const auto parsed = parse_boolean(text)) {
                number = *parsed ? 1 : 0;
                return {};
            }
            return "is neither true nor false";
        case property_kind::text:
            if (is_choice(p.choices, text)) return {};
            return "is not one of " + std::string(p.choices);
        case property_kind::address:
            if (parse_address(text)) return {};
            return "is not an address such as 127.0.0.1:8080 or [::1]:8080";
    }
    return {};
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
        }
    }
    return row[b.size()];
}

}  // namespace

std::optional<std::int64_t> parse_bytes(std::string_view text) {
    bool has_unit = false;
    return scaled_number(text, byte_suffixes, has_unit);
}

std::string_view to_string(property_kind kind) {
    switch (kind) {
        case property_kind::integer: return "integer";
        case property_kind::duration: return "duration";
        case property_kind::bytes: return "bytes";
        case property_kind::boolean: return "boolean";
        case property_kind::text: return "text";
        case property_kind::address: return "address";
    }
    return "";
}

std::string network_address::to_string() const {
    const bool is_v6 = host.find(':') != std::string::npos;
    return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<network_address> parse_address(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    std::string_view host = text.substr(0, colon);
    const std::string_view digits = text.substr(colon + 1);
    const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    if (host.empty() || bracketed != (host.find(':') != std::string_view::npos)) return std::nullopt;
    network_address out;
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
    if (failure != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    out.host = host;
    return out;
}

std::string environment_name(std::string_view property_name) {
    std::string out = "WEIR_";
    for (const char c : property_name) {
        if (c == '.') {
            out += "__";
        } else {
            out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        }
    }
    return out;
}

configuration::configuration(std::span<const property> properties) : properties_(properties) {
    for (const property& p : properties_) {
        WEIR_ASSERT(std::ranges::count(properties_, p.name, &property::name) == 1);
        WEIR_ASSERT(!p.help.empty() && p.help.find('\n') == std::string_view::npos);
        values_.emplace_back();
        set(values_.size() - 1, p.default_value, value_origin{});
        WEIR_ASSERT(errors_.empty());
    }
}

void configuration::set(std::size_t index, std::string_view text, value_origin origin) {
    const property& p = properties_[index];
    std::int64_t number = 0;
    const std::string wrong = check_value(p, text, number);
    if (!wrong.empty()) {
        errors_.push_back(origin.place + ": " + std::string(p.name) + ": " + quoted(text) + " " + wrong);
        return;
    }
    values_[index].text = text;
    values_[index].number = number;
    values_[index].origin = std::move(origin);
}

std::optional<std::size_t> configuration::find(std::string_view name) const {
    const auto found = std::ranges::find(properties_, name, &property::name);
    if (found == properties_.end()) return std::nullopt;
    return static_cast<std::size_t>(found - properties_.begin());
}

std::optional<std::size_t> configuration::find_flag(std::string_view name) const {
    if (const auto by_name = find(name)) return by_name;
    const auto found = std::ranges::find(properties_, name, &property::flag);
    if (name.empty() || found == properties_.end()) return std::nullopt;
    return static_cast<std::size_t>(found - properties_.begin());
}

bool configuration::is_section(std::string_view name) const {
    return std::ranges::any_of(
        properties_, [prefix = std::string(name) + "."](const property& p) { return p.name.starts_with(prefix); });
}

std::string configuration::nearest_name(std::string_view name) const {
    std::string_view best;
    std::size_t best_distance = 4;
    for (const property& p : properties_) {
        const std::size_t distance = edit_distance(name, p.name);
        if (distance < best_distance) {
            best = p.name;
            best_distance = distance;
        }
    }
    return best.empty() ? std::string() : "; did you mean " + std::string(best) + "?";
}

void configuration::read_environment(std::span<const std::string> variables,
                                     std::span<const std::string_view> known_elsewhere) {
    for (const std::string& variable : variables) {
        const auto equals = variable.find('=');
        if (!variable.starts_with("WEIR_") || equals == std::string::npos) continue;
        const std::string name = variable.substr(0, equals);
        if (std::ranges::find(known_elsewhere, name) != known_elsewhere.end()) continue;
        const auto found =
            std::ranges::find_if(properties_, [&name](const property& p) { return environment_name(p.name) == name; });
        if (found == properties_.end()) {
            warnings_.push_back(name + ": there is no such property; the variable is ignored");
            continue;
        }
        set(static_cast<std::size_t>(found - properties_.begin()), std::string_view(variable).substr(equals + 1),
            {value_origin::source::environment, name});
    }
}

void configuration::read_flags(std::span<const std::string> arguments) {
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string_view argument = arguments[i];
        if (!argument.starts_with("--") || argument.size() == 2) {
            errors_.push_back(quoted(argument) + " is not a flag");
            continue;
        }
        const auto equals = argument.find('=');
        const std::string name(argument.substr(2, equals == std::string_view::npos ? equals : equals - 2));
        const std::string place = "--" + name;
        const auto index = find_flag(name);
        if (!index) {
            errors_.push_back(place + ": there is no such flag or property" + nearest_name(name));
            continue;
        }
        const value_origin origin{value_origin::source::flag, place};
        if (equals != std::string_view::npos) {
            set(*index, argument.substr(equals + 1), origin);
        } else if (properties_[*index].kind == property_kind::boolean) {
            set(*index, "true", origin);
        } else if (i + 1 < arguments.size()) {
            set(*index, arguments[++i], origin);
        } else {
            errors_.push_back(place + ": its value is missing");
        }
    }
}

const configuration::value& configuration::at(std::string_view name, std::span<const property_kind> kinds) const {
    const auto index = find(name);
    WEIR_ASSERT(index.has_value());
    WEIR_ASSERT(std::ranges::find(kinds, properties_[*index].kind) != kinds.end());
    values_[*index].was_read = true;
    return values_[*index];
}

std::int64_t configuration::integer(std::string_view name) const {
    static constexpr std::array kinds{property_kind::integer, property_kind::bytes};
    return at(name, kinds).number;
}

milliseconds configuration::duration(std::string_view name) const {
    static constexpr std::array kinds{property_kind::duration};
    const value& found = at(name, kinds);
    return milliseconds(found.number * unit_in_ms(properties_[*find(name)]));
}

bool configuration::boolean(std::string_view name) const {
    static constexpr std::array kinds{property_kind::boolean};
    return at(name, kinds).number != 0;
}

const std::string& configuration::text(std::string_view name) const {
    static constexpr std::array kinds{property_kind::text};
    return at(name, kinds).text;
}

network_address configuration::address(std::string_view name) const {
    static constexpr std::array kinds{property_kind::address};
    return *parse_address(at(name, kinds).text);
}

const value_origin& configuration::origin(std::string_view name) const {
    const auto index = find(name);
    WEIR_ASSERT(index.has_value());
    return values_[*index].origin;
}

std::vector<std::string_view> configuration::unread() const {
    std::vector<std::string_view> out;
    for (std::size_t i = 0; i < values_.size(); ++i)
        if (!values_[i].was_read) out.push_back(properties_[i].name);
    return out;
}

std::string configuration::show() const {
    std::size_t width = 0;
    for (std::size_t i = 0; i < values_.size(); ++i)
        width = std::max(width, properties_[i].name.size() + 3 + values_[i].text.size());
    std::string out;
    for (std::size_t i = 0; i < values_.size(); ++i) {
        std::string line = std::string(properties_[i].name) + " = " + values_[i].text;
        line.resize(std::max(line.size(), width), ' ');
        out += line + "  # " + values_[i].origin.place + "\n";
    }
    return out;
}

std::string configuration::markdown_table(std::span<const property> properties) {
    std::string out =
        "| Property | Kind | Default | Bounds | What it is | Restart |\n| --- | --- | --- | --- | --- | --- |\n";
    for (const property& p : properties) {
        std::string kind(to_string(p.kind));
        if (!p.unit.empty()) kind += ", " + std::string(p.unit);
        std::string bounds;
        if (p.kind == property_kind::integer || p.kind == property_kind::duration || p.kind == property_kind::bytes) {
            bounds = std::to_string(p.min) + " to " +
                     (p.max == std::numeric_limits<std::int64_t>::max() ? "any" : std::to_string(p.max));
        }
        for (const char c : p.choices) bounds += c == '|' ? std::string(", ") : std::string(1, c);
        out += "| `" + std::string(p.name) + "` | " + kind + " | " +
               (p.default_value.empty() ? "" : "`" + std::string(p.default_value) + "`") + " | " + bounds + " | " +
               std::string(p.help);
        if (!p.flag.empty()) out += " Flag: `--" + std::string(p.flag) + "`.";
        out += std::string(" | ") + (p.needs_restart ? "yes" : "no") + " |\n";
    }
    return out;
}

}  // namespace runtime
