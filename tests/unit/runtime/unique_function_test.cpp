#include "runtime/base/unique_function.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace runtime {
namespace {

// Counts those that are alive, wherever they lie. `Bytes` decides whether in the function or beside it.
template <std::size_t Bytes>
struct counted {
    explicit counted(int& alive) : alive_(&alive) { ++alive; }
    counted(counted&& other) noexcept : alive_(other.alive_), calls_(other.calls_) { ++*alive_; }
    counted& operator=(counted&&) = delete;
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { --*alive_; }
    int operator()(int more) { return calls_ += more; }

  private:
    int* alive_;
    int calls_ = 0;
    std::array<char, Bytes> padding_{};
};

template <class Callable>
void live_once_and_move() {
    int alive = 0;
    {
        unique_function<int(int)> first = Callable(alive);
        EXPECT_EQ(alive, 1);
        EXPECT_EQ(first(2), 2);
        unique_function<int(int)> second = std::move(first);
        EXPECT_EQ(alive, 1);
        EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): what is left of it is what is tested
        EXPECT_EQ(second(3), 5) << "what it has kept moves along";
        first = Callable(alive);
        EXPECT_EQ(alive, 2);
        first = std::move(second);
        EXPECT_EQ(alive, 1) << "what it held before has ended";
        EXPECT_EQ(first(1), 6);
        auto& itself = first;
        first = std::move(itself);
        EXPECT_EQ(first(1), 7);
    }
    EXPECT_EQ(alive, 0);
}

TEST(unique_function, keeps_one_callable_in_place_or_beside_it) {
    live_once_and_move<counted<1>>();
    live_once_and_move<counted<36>>();
    live_once_and_move<counted<37>>();
    live_once_and_move<counted<1000>>();
}

TEST(unique_function, what_only_moves_with_a_copy_lies_beside_it) {
    struct may_throw {
        may_throw() = default;
        may_throw(may_throw&&) noexcept(false) {}
        int operator()() const { return 1; }
    };
    unique_function<int()> one = may_throw();
    auto other = std::move(one);
    EXPECT_EQ(other(), 1);
}

TEST(unique_function, aligns_what_wants_more_than_a_pointer) {
    struct alignas(64) wide {
        bool operator()() const { return reinterpret_cast<std::uintptr_t>(this) % 64 == 0; }
    };
    unique_function<bool()> one = wide();
    EXPECT_TRUE(one());
}

TEST(unique_function, passes_references_and_what_only_moves) {
    unique_function<std::string(std::string&, std::unique_ptr<int>)> both = [](std::string& to,
                                                                               std::unique_ptr<int> number) {
        to += std::to_string(*number);
        return to;
    };
    std::string text = "a";
    EXPECT_EQ(both(text, std::make_unique<int>(7)), "a7");
    EXPECT_EQ(text, "a7");
}

TEST(unique_function, an_empty_one_says_so) {
    unique_function<void()> none;
    EXPECT_FALSE(none);
    none = [] {};
    EXPECT_TRUE(none);
}

}  // namespace
}  // namespace runtime
