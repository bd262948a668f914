#include "stages/worker/sandbox/channel/low_slots.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <unistd.h>

#include <utility>

namespace stages::worker::sandbox {
namespace {

constexpr int number_of(std::size_t set, int place) {
    return low_slots::first + static_cast<int>(set) * low_slots::each + place;
}

}  // namespace

low_slots::low_slots() : nothing_(open("/dev/null", O_RDONLY | O_CLOEXEC)) {
    for (std::size_t set = 0; set < sets; ++set) {
        bool is_free = true;
        for (int place = 0; place < each; ++place) is_free = is_free && fcntl(number_of(set, place), F_GETFD) < 0;
        usable_[set] = is_free && fill(set);
    }
}

low_slots::~low_slots() {
    for (std::size_t set = 0; set < sets; ++set)
        if (usable_[set]) close_range(number_of(set, 0), number_of(set, each - 1), 0);
}

bool low_slots::fill(std::size_t set) const {
    bool good = true;
    for (int place = 0; place < each; ++place)
        good = dup3(nothing_.get(), number_of(set, place), O_CLOEXEC) >= 0 && good;
    return good;
}

std::optional<low_slots::loan> low_slots::lend(std::span<int> files) {
    std::size_t set = 0;
    while (set < sets && (lent_[set] || !usable_[set])) ++set;
    if (set == sets || files.size() > each) return std::nullopt;
    lent_[set] = true;
    loan made(*this, set);
    std::array<int, each> copies{};
    for (std::size_t i = 0; i < files.size(); ++i) {
        copies[i] = files[i] < 0 ? -1 : dup3(files[i], number_of(set, static_cast<int>(i)), O_CLOEXEC);
        if (files[i] >= 0 && copies[i] < 0) return std::nullopt;
    }
    for (std::size_t i = 0; i < files.size(); ++i) files[i] = copies[i];
    return made;
}

bool low_slots::own_table() { return close_range(end, ~0U, CLOSE_RANGE_UNSHARE) == 0; }

low_slots::loan::loan(loan&& other) noexcept : of_(std::exchange(other.of_, nullptr)), set_(other.set_) {}

low_slots::loan& low_slots::loan::operator=(loan&& other) noexcept {
    std::swap(of_, other.of_);
    std::swap(set_, other.set_);
    return *this;
}

low_slots::loan::~loan() {
    if (of_ != nullptr && of_->fill(set_)) of_->lent_[set_] = false;
}

}  // namespace stages::worker::sandbox
