// Low numbers of descriptors, kept for what a new process shall begin with. It shares its maker's table until it has
// one of its own (CLONE_FILES, then own_table()), and of all that its maker has open it then copies, and has to close
// again, the lowest alone. One thread.
#pragma once

#include <array>
#include <bitset>
#include <optional>
#include <span>

#include "stages/worker/sandbox/channel/descriptor.hpp"

namespace stages::worker::sandbox {

class low_slots {
  public:
    // Above what a broker has open from its beginning to its end.
    static constexpr int first = 20;
    static constexpr int each = 8;
    static constexpr int sets = 3;  // processes on their way at once; another one has a copy of the whole table
    static constexpr int end = first + sets * each;
    static_assert(end <= 64, "kernels before 5.18 cut tables at multiples of 64");

    // Takes the numbers, so that nothing else is opened there. A set of which one is in use already is never lent.
    low_slots();
    ~low_slots();
    low_slots(const low_slots&) = delete;
    low_slots& operator=(const low_slots&) = delete;

    // Copies of files, until the process has its own table or is no more.
    class loan {
      public:
        loan(loan&& other) noexcept;
        loan& operator=(loan&& other) noexcept;
        ~loan();

      private:
        friend class low_slots;
        loan(low_slots& of, std::size_t set) : of_(&of), set_(set) {}
        low_slots* of_;
        std::size_t set_;
    };
    // At most `each`; puts the numbers of their copies in their place, -1 stays. Nothing if all sets are lent, or the
    // kernel refuses.
    std::optional<loan> lend(std::span<int> files);

    // In the new process, first of all: its own table, with what lies below `end`.
    static bool own_table();

  private:
    bool fill(std::size_t set) const;

    descriptor nothing_;  // what stands in a slot that is not lent
    std::bitset<sets> usable_;
    std::bitset<sets> lent_;
};

}  // namespace stages::worker::sandbox
