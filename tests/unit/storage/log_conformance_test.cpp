// The suite on the embedded log (over the simulated disk, and over the machine's with each way of writing) and on the
// log over the simulated broker.
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

std::unique_ptr<log_rig> make_broker(std::uint64_t seed) { return make_broker_rig(seed, false); }
std::unique_ptr<log_rig> make_bad_broker(std::uint64_t seed) { return make_broker_rig(seed, true); }

template <class Make>
std::vector<rig_parameter> seeds_of(const std::string& name, Make make, std::uint64_t count) {
    std::vector<rig_parameter> out;
    for (std::uint64_t seed = 1; seed <= count; ++seed) out.push_back({name, make, seed});
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
INSTANTIATE_TEST_SUITE_P(disk, log_conformance, testing::ValuesIn(seeds_of("simulated", make_simulated, 6)), name_of);
INSTANTIATE_TEST_SUITE_P(disk, log_crash_conformance,
                         testing::ValuesIn(seeds_of("simulated", make_simulated, crash_seeds())), name_of);
INSTANTIATE_TEST_SUITE_P(broker, log_conformance, testing::ValuesIn(seeds_of("broker", make_broker, 6)), name_of);
INSTANTIATE_TEST_SUITE_P(broker, log_crash_conformance,
                         testing::ValuesIn(seeds_of("broker", make_broker, crash_seeds())), name_of);
INSTANTIATE_TEST_SUITE_P(bad_broker, log_crash_conformance,
                         testing::ValuesIn(seeds_of("bad_broker", make_bad_broker, crash_seeds())), name_of);

}  // namespace
}  // namespace tests
