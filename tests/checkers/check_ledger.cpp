// check_ledger FILE: holds the promises against a ledger (ledger.hpp); ends with 1 when one is broken.
#include <cstdio>
#include <fstream>

#include "tests/checkers/ledger.hpp"

int main(int argc, char** argv) {
    std::ifstream in(argc == 2 ? argv[1] : "");
    if (!in) {
        std::fprintf(stderr, "usage: check_ledger FILE\n");
        return 2;
    }
    tests::promises promises;
    const auto lines = tests::read_ledger(in, promises);
    for (const auto& what : promises.all_broken()) std::printf("BROKEN %s\n", what.c_str());
    std::printf("%llu lines, %zu executions acknowledged, %zu promises broken\n",
                static_cast<unsigned long long>(lines), promises.acknowledged().size(), promises.all_broken().size());
    return promises.all_broken().empty() ? 0 : 1;
}
