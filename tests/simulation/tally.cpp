#include "tests/simulation/tally.hpp"

#include <cstdio>
#include <istream>
#include <ostream>

namespace simulation_tests {
namespace {

unsigned long long wide(std::uint64_t value) { return value; }

}  // namespace

void tally::add(const report& one) {
    ++seeds;
    failed += one.broken.empty() ? 0 : 1;
    steps += one.steps;
    acknowledged += one.acknowledged;
    for (const auto& [what, count] : one.sometimes) sometimes[what] += count;
}

void tally::print() const {
    std::printf("%llu seeds, %llu failed, %llu executions acknowledged, %llu steps\n", wide(seeds), wide(failed),
                wide(acknowledged), wide(steps));
    for (const auto& [what, count] : sometimes) std::printf("  %s: %llu times\n", what.c_str(), wide(count));
    marks.print();
}

void tally::write(std::ostream& out) const {
    out << seeds << ' ' << failed << ' ' << steps << ' ' << acknowledged << ' ' << sometimes.size() << '\n';
    for (const auto& [what, count] : sometimes) out << count << '\t' << what << '\n';
    marks.write(out);
}

bool tally::add_written(std::istream& in) {
    tally other;
    std::size_t kinds = 0;
    in >> other.seeds >> other.failed >> other.steps >> other.acknowledged >> kinds;
    for (std::size_t i = 0; i < kinds && in; ++i) {
        std::uint64_t count = 0;
        std::string what;
        in >> count;
        in.ignore(1);
        std::getline(in, what);
        other.sometimes[what] = count;
    }
    if (!in || !marks.add_written(in)) return false;
    seeds += other.seeds;
    failed += other.failed;
    steps += other.steps;
    acknowledged += other.acknowledged;
    for (const auto& [what, count] : other.sometimes) sometimes[what] += count;
    return true;
}

}  // namespace simulation_tests
