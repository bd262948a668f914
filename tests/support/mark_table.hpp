// Which marks of the code (runtime/base/marks.hpp) the runs of a test reached, as a table.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

namespace tests {

class mark_table {
  public:
    // Forgets what was reached so far: a run begins.
    static void begin_run();
    // A run is over: counts what it reached.
    void end_run();
    // Names of the `sometimes` marks that no run reached.
    [[nodiscard]] std::vector<std::string> never_reached() const;
    [[nodiscard]] std::uint64_t runs_that_reached(const std::string& name) const;
    // One line for each mark: in how many of the runs it was reached, its kind, its name and its place.
    void print() const;

    // For tables of other processes of the same program.
    void write(std::ostream& out) const;
    // Adds what was written. False when that is not whole.
    bool add_written(std::istream& in);

  private:
    struct row {
        std::string kind;
        std::string place;
        std::uint64_t runs = 0;
    };
    std::uint64_t runs_ = 0;
    std::map<std::string, row> rows_;  // by name
};

}  // namespace tests
