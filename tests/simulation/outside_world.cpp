#include "tests/simulation/outside_world.hpp"

namespace simulation_tests {

tests::sighting sighting_of(const pipeline::event& e) {
    std::string bytes;
    const auto add = [&bytes](auto value) { bytes += std::to_string(value) + '|'; };
    add(e.time.microseconds_since_epoch);
    add(static_cast<int>(e.stream));
    add(e.offset);
    add(static_cast<int>(e.is_text));
    bytes += e.bytes + '|' + e.lang;
    if (e.verdict) {
        bytes += '|';
        add(static_cast<int>(e.verdict->status));
        add(e.verdict->exit_code.value_or(-999));
        add(static_cast<int>(e.verdict->error_type));
    }
    return {e.number, e.attempt, std::string(pipeline::to_string(e.type)), std::move(bytes)};
}

}  // namespace simulation_tests
