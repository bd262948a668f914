// The fields of an execute request, one check each. Included by execute_request.cpp and its like only: it names
// simdjson.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/engine.hpp"

namespace http::api {

// Collects every error with its JSON pointer, up to a number. Views into the parsed document; used and gone.
class execute_fields {
  public:
    using element = simdjson::dom::element;
    using object = simdjson::dom::object;

    execute_fields(const pipeline::operator_limits& limits, std::size_t errors_max, pipeline::script_request& out)
        : limits_(limits), errors_max_(errors_max), out_(out) {}

    void read(element root);

    std::vector<pipeline::field_error>& errors() { return errors_; }
    [[nodiscard]] std::string summary() const;
    // The first operator's maximum that a field was above; empty if none.
    [[nodiscard]] const std::string& limit() const { return limit_; }
    [[nodiscard]] std::uint64_t limit_value() const { return limit_value_; }

  private:
    // A limit that the problem names, and counts; the first one stands.
    void reached(std::string name, std::uint64_t value);
    // One reference token of a JSON pointer.
    static std::string token(std::string_view name);
    void add(std::string pointer, std::string_view code, std::string detail);
    // Adds the duplicates among an object's members; false if it has too many to be looked at.
    bool members_in_order(object at, const std::string& pointer);
    bool text(element at, const std::string& pointer, std::string_view& out);
    bool number(element at, const std::string& pointer, std::uint64_t& out);
    void field(std::string_view name, element at);
    void script(element at);
    void args(element at);
    void standard_input(element at);
    // execute_files.cpp
    void files(element at);
    void file(element at, const std::string& pointer);
    void path(element at, const std::string& pointer, std::string& out);
    void outputs(element at);
    void check_file_names();
    // execute_interactive.cpp
    void interactive(element at);
    void terminal(element at);
    void terminal_side(std::string_view name, element at, std::uint16_t maximum, std::uint16_t& out);
    // execute_network.cpp
    void network(element at);
    void network_allow(element at);
    void isolation(element at);
    void priority(element at);
    void limits(element at);
    void limit_number(std::string_view name, element at, std::uint64_t maximum, std::uint64_t& out);
    void retry(element at);
    void retry_on(element at);
    void labels(element at);
    void runtime_pair();

    const pipeline::operator_limits& limits_;
    std::size_t errors_max_;
    pipeline::script_request& out_;
    std::vector<pipeline::field_error> errors_;
    std::size_t found_ = 0;
    std::string limit_;
    std::uint64_t limit_value_ = 0;
    bool have_script_ = false;
    bool bad_lang_ = false;
    bool have_version_ = false;
    bool have_retry_ = false;
};

// How an error names a limit: "at most 64 files".
std::string at_most(std::uint64_t bound, std::string_view unit);

}  // namespace http::api
