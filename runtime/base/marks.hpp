// Marks: places in the code that tests want to have seen. A run of the simulation prints which were reached, and fails
// when one of the `sometimes` was not: a test that never comes to a place proves nothing about it.
//
//     WEIR_SOMETIMES(cut > 0, "a torn batch was cut at recovery");    // some run has to come here
//     WEIR_ALWAYS(number == last + 1, "event numbers are dense");     // an assertion with a name in the table
//     WEIR_UNREACHABLE("a letter from a partition that is not open"); // an assertion that fails whenever it is reached
//
// All builds have them: a mark that was reached before costs one load and a branch. Each is known before it is reached,
// through the linker section in which it is entered. Only for functions in .cpp files: not in templates, nor inline.
// Threads: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/base/assert.hpp"

namespace runtime {

enum class mark_kind : std::uint8_t { always, sometimes, unreachable };

std::string_view to_string(mark_kind kind);

struct mark {
    const char* name;
    const char* file;
    int line;
    mark_kind kind;
    std::atomic<bool> reached{false};

    void reach() {
        if (!reached.load(std::memory_order_relaxed)) reached.store(true, std::memory_order_relaxed);
    }
};

// All marks of this program, in no particular order.
std::span<mark* const> all_marks();

}  // namespace runtime

#define WEIR_MARK_(kind_, name_)                                                       \
    static constinit ::runtime::mark weir_mark_{(name_), __FILE__, __LINE__, (kind_)}; \
    [[gnu::section("weir_marks"), gnu::used]] static ::runtime::mark* weir_mark_entry_ = &weir_mark_

#define WEIR_SOMETIMES(condition, name)                    \
    do {                                                   \
        WEIR_MARK_(::runtime::mark_kind::sometimes, name); \
        if (condition) weir_mark_.reach();                 \
    } while (false)

#define WEIR_ALWAYS(condition, name)                                               \
    do {                                                                           \
        WEIR_MARK_(::runtime::mark_kind::always, name);                            \
        weir_mark_.reach();                                                        \
        if (!(condition)) ::runtime::assertion_failed((name), __FILE__, __LINE__); \
    } while (false)

#define WEIR_UNREACHABLE(name)                                   \
    do {                                                         \
        WEIR_MARK_(::runtime::mark_kind::unreachable, name);     \
        weir_mark_.reach();                                      \
        ::runtime::assertion_failed((name), __FILE__, __LINE__); \
    } while (false)
