// The configuration registry. A table of properties says for each its name, kind, unit, default and bounds; values come
// from a YAML file, then the environment, then flags, and the later wins. Nothing is read anywhere else, so that one
// place can list, check and document what may be set.
//
// Thread: made at start, before the shards; read-only from then on. Errors are collected as sentences that name the
// place, the property, the value and the bound, so that an operator sees all of them at once.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/time.hpp"

namespace runtime {

// duration: a number in the property's unit ("ms" or "s"), or one with its own unit (250ms, 5s, 10m, 24h).
// bytes: a number, or one with KiB, MiB, GiB behind it. address: host:port, IPv6 in brackets.
enum class property_kind : std::uint8_t { integer, duration, bytes, boolean, text, address };
std::string_view to_string(property_kind kind);

// "4096", "64KiB", "16MiB", "1GiB": a number of bytes as the registry, and whatever else people write, has it.
std::optional<std::int64_t> parse_bytes(std::string_view text);

struct property {
    // Lower case, parts joined by dots: "admission.queued_max".
    std::string_view name;
    property_kind kind = property_kind::integer;
    // What one of the number is ("executions", "ms", "s"); empty for the other kinds.
    std::string_view unit;
    // As an operator would write it.
    std::string_view default_value;
    // Of numbers, in the property's unit.
    std::int64_t min = 0;
    std::int64_t max = std::numeric_limits<std::int64_t>::max();
    // Of texts: what is allowed, joined by '|'. Empty: anything; a last part "…" in "name:…" allows any rest.
    std::string_view choices;
    // One line.
    std::string_view help;
    bool needs_restart = true;
    // A flag of its own beside --name, without the dashes; or empty.
    std::string_view flag;
};

struct network_address {
    std::string host;  // without brackets
    std::uint16_t port = 0;
    friend bool operator==(const network_address&, const network_address&) = default;
    [[nodiscard]] std::string to_string() const;
};
// Nothing unless it is host:port with a decimal port; an IPv6 host must stand in brackets.
std::optional<network_address> parse_address(std::string_view text);

// Where a value came from.
struct value_origin {
    enum class source : std::uint8_t { built_in, file, environment, flag };
    source from = source::built_in;
    // "weir.yaml:12", "WEIR_ADMISSION__QUEUED_MAX", "--seats"; "default".
    std::string place = "default";
};

// WEIR_ and the name in upper case, with __ for each dot.
std::string environment_name(std::string_view property_name);

class configuration {
  public:
    // The table must outlive the configuration. A wrong default or a repeated name is a bug of ours and aborts.
    explicit configuration(std::span<const property> properties);

    // Limits on what a configuration file may be.
    static constexpr std::size_t file_bytes_max = 1 << 20;
    static constexpr std::size_t file_nodes_max = 10'000;
    static constexpr int file_depth_max = 16;

    // Nested keys are joined by dots.
    void read_file(const std::string& path);
    void read_yaml(const std::string& text, const std::string& file_name);
    // "NAME=value" strings. Those without the WEIR_ prefix and those in `known_elsewhere` are nobody's business here.
    void read_environment(std::span<const std::string> variables,
                          std::span<const std::string_view> known_elsewhere = {});
    // "--name=value", "--name value"; a boolean may stand alone. What is not a flag is an error.
    void read_flags(std::span<const std::string> arguments);

    [[nodiscard]] const std::vector<std::string>& errors() const { return errors_; }
    [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

    // Values. Asking for an unknown name or the wrong kind is a bug of ours and aborts.
    [[nodiscard]] std::int64_t integer(std::string_view name) const;  // integer and bytes
    [[nodiscard]] milliseconds duration(std::string_view name) const;
    [[nodiscard]] bool boolean(std::string_view name) const;
    [[nodiscard]] const std::string& text(std::string_view name) const;
    [[nodiscard]] network_address address(std::string_view name) const;

    [[nodiscard]] const value_origin& origin(std::string_view name) const;
    // Properties that nothing has asked for: a test keeps this empty.
    [[nodiscard]] std::vector<std::string_view> unread() const;
    // One line for each property: name = value  # origin.
    [[nodiscard]] std::string show() const;
    // A Markdown table of all properties.
    [[nodiscard]] static std::string markdown_table(std::span<const property> properties);

  private:
    struct value {
        std::string text;
        std::int64_t number = 0;  // of integer, bytes, boolean; of durations in the property's unit
        value_origin origin;
        mutable bool was_read = false;
    };
    struct yaml_reader;

    void set(std::size_t index, std::string_view text, value_origin origin);
    [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const;
    [[nodiscard]] std::optional<std::size_t> find_flag(std::string_view name) const;
    [[nodiscard]] bool is_section(std::string_view name) const;
    [[nodiscard]] const value& at(std::string_view name, std::span<const property_kind> kinds) const;
    [[nodiscard]] std::string nearest_name(std::string_view name) const;

    std::span<const property> properties_;
    std::vector<value> values_;
    std::vector<std::string> errors_;
    std::vector<std::string> warnings_;
};

}  // namespace runtime
