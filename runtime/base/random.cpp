#include "runtime/base/random.hpp"

#include <sys/random.h>

#include <bit>

#include "runtime/base/assert.hpp"

namespace runtime {
namespace {

// SplitMix64 spreads one seed over the whole state, as the authors of xoshiro advise.
std::uint64_t split_mix(std::uint64_t& state) {
    std::uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

}  // namespace

random_source::random_source(std::uint64_t seed) : state_{} {
    for (auto& word : state_) word = split_mix(seed);
}

std::uint64_t random_source::next() {
    auto& s = state_;
    const std::uint64_t out = std::rotl(s[0] + s[3], 23) + s[0];
    const std::uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = std::rotl(s[3], 45);
    return out;
}

std::uint64_t random_source::below(std::uint64_t bound) {
    WEIR_ASSERT(bound > 0);
    // Lemire's multiplication; the bias of at most bound / 2^64 is of no matter here.
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
}

std::uint64_t machine_seed() {
    std::uint64_t seed = 0;
    WEIR_ASSERT(getrandom(&seed, sizeof seed, 0) == static_cast<ssize_t>(sizeof seed));
    return seed;
}

}  // namespace runtime
