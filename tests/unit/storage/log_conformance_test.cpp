// The suite on the embedded log: over the simulated disk, and over the machine's with each way of writing.
#include <cstdlib>

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

std::unique_ptr<log_rig> make_simulated(std::uint64_t seed) {
    auto rig = std::make_unique<simulated_embedded_rig>(seed);
    // The suite must find it when durable writes are not.
    rig->disk().behaviour().durable_writes_lie = std::getenv("WEIR_LOG_LYING_DISK") != nullptr;
    return rig;
}

std::vector<rig_parameter> simulated(std::uint64_t count) {
    std::vector<rig_parameter> out;
    for (std::uint64_t seed = 1; seed <= count; ++seed)
        out.push_back({"simulated", make_simulated, seed});
    return out;
}

// More of them with WEIR_LOG_SEEDS, as the soak does.
std::uint64_t crash_seeds() {
    const char* wanted = std::getenv("WEIR_LOG_SEEDS");
    return wanted == nullptr ? 20 : std::strtoull(wanted, nullptr, 10);
}

std::string name_of(const testing::TestParamInfo<rig_parameter>& info) {
    return info.param.name + "_" + std::to_string(info.param.seed);
}

INSTANTIATE_TEST_SUITE_P(machine, log_conformance, testing::ValuesIn(machines()), name_of);
INSTANTIATE_TEST_SUITE_P(simulated, log_conformance, testing::ValuesIn(simulated(6)), name_of);
INSTANTIATE_TEST_SUITE_P(simulated, log_crash_conformance, testing::ValuesIn(simulated(crash_seeds())), name_of);

}  // namespace
}  // namespace tests
