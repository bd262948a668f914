// What many seeds came to. The dead nodes of a simulated world are never freed, so seeds run in batches, each in a
// process of its own, which writes its tally into a pipe.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <string>

#include "tests/simulation/scenario.hpp"
#include "tests/support/mark_table.hpp"

namespace simulation_tests {

struct tally {
    std::uint64_t seeds = 0;
    std::uint64_t failed = 0;
    std::uint64_t steps = 0;
    std::uint64_t acknowledged = 0;
    std::map<std::string, std::uint64_t> sometimes;
    tests::mark_table marks;

    void add(const report& one);
    void print() const;

    void write(std::ostream& out) const;
    // Adds what was written. False when that is not whole.
    bool add_written(std::istream& in);
};

}  // namespace simulation_tests
