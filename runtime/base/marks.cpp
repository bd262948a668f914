#include "runtime/base/marks.hpp"

// The linker gives the section these names; without any mark in a program there is no section.
extern "C" {
extern runtime::mark* __start_weir_marks[] __attribute__((weak));
extern runtime::mark* __stop_weir_marks[] __attribute__((weak));
}

namespace runtime {

std::string_view to_string(mark_kind kind) {
    switch (kind) {
        case mark_kind::always: return "always";
        case mark_kind::sometimes: return "sometimes";
        case mark_kind::unreachable: return "unreachable";
    }
    return "unknown";
}

std::span<mark* const> all_marks() {
    return {__start_weir_marks, static_cast<std::size_t>(__stop_weir_marks - __start_weir_marks)};
}

}  // namespace runtime
