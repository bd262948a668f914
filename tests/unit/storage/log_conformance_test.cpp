// The suite on the embedded log: over the simulated disk, and over the machine's with each way of writing.
#include "tests/unit/storage/log_conformance.hpp"
#include "tests/unit/storage/log_rigs.hpp"

namespace tests {
namespace {

using storage::embedded::writer_kind;

std::vector<rig_parameter> machines() {
    return {
        {"io_uring", [](std::uint64_t) { return make_real_rig(writer_kind::automatic, true); }, 1},
        {"thread", [](std::uint64_t) { return make_real_rig(writer_kind::thread, true); }, 1},
        {"buffered", [](std::uint64_t) { return make_real_rig(writer_kind::automatic, false); }, 1},
    };
}

std::vector<rig_parameter> simulated(std::uint64_t count) {
    std::vector<rig_parameter> out;
    for (std::uint64_t seed = 1; seed <= count; ++seed)
        out.push_back({"simulated", [](std::uint64_t s) { return std::make_unique<simulated_embedded_rig>(s); }, seed});
    return out;
}

std::string name_of(const testing::TestParamInfo<rig_parameter>& info) {
    return info.param.name + "_" + std::to_string(info.param.seed);
}

INSTANTIATE_TEST_SUITE_P(machine, log_conformance, testing::ValuesIn(machines()), name_of);
INSTANTIATE_TEST_SUITE_P(simulated, log_conformance, testing::ValuesIn(simulated(6)), name_of);

}  // namespace
}  // namespace tests
