#include "tests/support/mark_table.hpp"

#include <cstdio>
#include <filesystem>
#include <istream>
#include <ostream>

#include "runtime/base/marks.hpp"

namespace tests {

void mark_table::begin_run() {
    for (auto* const one : runtime::all_marks()) one->reached.store(false, std::memory_order_relaxed);
}

void mark_table::end_run() {
    ++runs_;
    for (const auto* const one : runtime::all_marks()) {
        auto& mine = rows_[one->name];
        mine.kind = runtime::to_string(one->kind);
        mine.place = std::filesystem::path(one->file).filename().string() + ":" + std::to_string(one->line);
        mine.runs += one->reached.load(std::memory_order_relaxed) ? 1 : 0;
    }
}

std::vector<std::string> mark_table::never_reached() const {
    std::vector<std::string> out;
    for (const auto& [name, mine] : rows_)
        if (mine.kind == "sometimes" && mine.runs == 0) out.push_back(name + " (" + mine.place + ")");
    return out;
}

std::uint64_t mark_table::runs_that_reached(const std::string& name) const {
    const auto it = rows_.find(name);
    return it == rows_.end() ? 0 : it->second.runs;
}

void mark_table::print() const {
    std::printf("marks reached, in how many of %llu runs:\n", static_cast<unsigned long long>(runs_));
    for (const auto& [name, mine] : rows_)
        std::printf("  %8llu  %-11s  %s (%s)\n", static_cast<unsigned long long>(mine.runs), mine.kind.c_str(),
                    name.c_str(), mine.place.c_str());
}

void mark_table::write(std::ostream& out) const {
    out << runs_ << ' ' << rows_.size() << '\n';
    for (const auto& [name, mine] : rows_)
        out << mine.runs << ' ' << mine.kind << ' ' << mine.place << '\t' << name << '\n';
}

bool mark_table::add_written(std::istream& in) {
    std::uint64_t runs = 0;
    std::size_t rows = 0;
    in >> runs >> rows;
    std::map<std::string, row> read;
    for (std::size_t i = 0; i < rows && in; ++i) {
        row one;
        std::string name;
        in >> one.runs >> one.kind >> one.place;
        in.ignore(1);
        std::getline(in, name);
        read[name] = one;
    }
    if (!in) return false;
    runs_ += runs;
    for (const auto& [name, one] : read) {
        auto& mine = rows_[name];
        mine.kind = one.kind;
        mine.place = one.place;
        mine.runs += one.runs;
    }
    return true;
}

}  // namespace tests
