#include "tests/checkers/ledger.hpp"

#include <simdjson.h>

#include <istream>
#include <optional>

namespace tests {
namespace {

using simdjson::dom::element;

class entry {
  public:
    explicit entry(element line) : line_(line) {}

    [[nodiscard]] std::string text(std::string_view member) {
        std::string_view out;
        if (line_[member].get(out) != simdjson::SUCCESS) whole_ = false;
        return std::string(out);
    }
    [[nodiscard]] std::string optional_text(std::string_view member) {
        std::string_view out;
        return line_[member].get(out) == simdjson::SUCCESS ? std::string(out) : std::string();
    }
    [[nodiscard]] std::uint32_t number(std::string_view member) {
        std::uint64_t out = 0;
        if (line_[member].get(out) != simdjson::SUCCESS || out > UINT32_MAX) whole_ = false;
        return static_cast<std::uint32_t>(out);
    }
    [[nodiscard]] execution_id id() {
        const auto parsed = execution_id::parse(text("id"));
        if (!parsed) whole_ = false;
        return parsed.value_or(execution_id());
    }
    [[nodiscard]] bool whole() const { return whole_; }

  private:
    element line_;
    bool whole_ = true;
};

void tell_delivered(entry& in, execution_id id, promises& into) {
    const auto after = in.number("after");
    const sighting what{in.number("number"), in.number("attempt"), in.text("type"), in.text("data")};
    if (in.whole()) into.delivered(id, after, what);
}

// False for what is no entry.
bool tell(element line, promises& into) {
    entry in(line);
    const auto what = in.text("what");
    if (what == "at_rest") {
        into.at_rest();
        return true;
    }
    const auto id = in.id();
    if (!in.whole()) return false;
    if (what == "acknowledged") {
        into.acknowledged(id, in.optional_text("key"));
    } else if (what == "cancellation_acknowledged") {
        into.cancellation_acknowledged(id);
    } else if (what == "delivered") {
        tell_delivered(in, id, into);
    } else if (what == "ended") {
        into.ended(id, in.text("status"));
    } else if (what == "shown") {
        const auto least = in.number("least");
        into.shown(id, least, in.number("last_event"));
    } else if (what == "not_found") {
        into.not_found(id, in.text("asked_for"));
    } else {
        return false;
    }
    return in.whole();
}

}  // namespace

std::uint64_t read_ledger(std::istream& in, promises& into) {
    simdjson::dom::parser parser;
    std::uint64_t lines = 0;
    for (std::string line; std::getline(in, line);) {
        ++lines;
        element parsed;
        if (parser.parse(line).get(parsed) != simdjson::SUCCESS || !tell(parsed, into))
            into.broken("line " + std::to_string(lines) + " of the ledger means nothing");
    }
    return lines;
}

}  // namespace tests
