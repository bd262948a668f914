// A way for letters that loses, doubles, delays and reorders what it carries, as a network between nodes may. Chances
// are in parts per million of parcels.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "pipeline/letters/letter_office.hpp"
#include "runtime/base/random.hpp"
#include "runtime/submit.hpp"

namespace tests {

struct letter_faults {
    std::uint32_t lost = 0;         // never arrives
    std::uint32_t answer_lost = 0;  // arrives, and its sender does not get to know
    std::uint32_t doubled = 0;      // arrives twice in a row
    std::uint32_t late = 0;         // arrives, and once more behind later ones
    std::uint32_t shuffled = 0;     // its letters arrive in another order, or the first of a lane is missing
    runtime::nanoseconds delay_max = runtime::milliseconds(20);
};

// Where the shards of this life are.
struct letter_places {
    std::vector<runtime::shard*> shards;
    std::vector<pipeline::letters::letter_office*> offices;
    unsigned partition_bits = runtime::partition_bits_default;
};

// Shard: one for each, its owner only. All three outlive it.
class faulty_carrier final : public pipeline::letters::letter_carrier {
  public:
    using parcel = pipeline::letters::parcel;
    using receipts = std::vector<pipeline::letters::receipt>;

    faulty_carrier(const letter_places& places, const letter_faults& faults, runtime::random_source& random,
                   std::map<std::string, std::uint64_t>& sometimes)
        : places_(places), faults_(faults), random_(random), sometimes_(sometimes) {}

    [[nodiscard]] std::size_t destinations() const override { return places_.shards.size(); }
    [[nodiscard]] std::size_t destination_of(runtime::partition_id to) const override {
        return to.value % places_.shards.size();
    }

    runtime::task<receipts> carry(std::size_t destination, parcel what) override {
        const auto delay_max_ns = static_cast<std::uint64_t>(faults_.delay_max.count());
        const bool lost = chance(faults_.lost, "a letter was lost");
        if (lost || faults_.late > 0)
            co_await runtime::sleep_for(runtime::nanoseconds(random_.below(delay_max_ns + 1)));
        if (lost) co_return receipts();
        // Decided one after the other, not in an expression: their order is part of the history.
        const bool late = chance(faults_.late, "a letter came late");
        const bool doubled = chance(faults_.doubled, "a letter was doubled");
        const bool answer_lost = chance(faults_.answer_lost, "a receipt was lost");
        if (chance(faults_.shuffled, "letters were reordered")) shuffle(what);
        parcel again = what;
        auto answer = co_await give(destination, std::move(what));
        auto& held = held_[destination];
        if (!held.empty()) {
            parcel stale = std::move(held);
            held.clear();
            static_cast<void>(co_await give(destination, std::move(stale)));
        }
        if (late) held_[destination] = again;
        if (doubled) answer = co_await give(destination, std::move(again));
        if (answer_lost) answer.clear();
        co_return answer;
    }

  private:
    bool chance(std::uint32_t parts_per_million, const char* what) {
        if (parts_per_million == 0 || !random_.chance(parts_per_million)) return false;
        ++sometimes_[what];
        return true;
    }
    void shuffle(parcel& what) {
        for (auto& lane : what) {
            if (random_.below(2) == 0) {
                std::reverse(lane.letters.begin(), lane.letters.end());
            } else {
                lane.letters.erase(lane.letters.begin());
            }
        }
    }
    runtime::task<receipts> give(std::size_t destination, parcel what) {
        auto there = [office = places_.offices[destination], what = std::move(what)]() mutable {
            return office->receive(std::move(what));
        };
        co_return co_await runtime::submit(*places_.shards[destination], std::move(there));
    }

    const letter_places& places_;
    const letter_faults& faults_;
    runtime::random_source& random_;
    std::map<std::string, std::uint64_t>& sometimes_;
    std::map<std::size_t, parcel> held_;
};

}  // namespace tests
