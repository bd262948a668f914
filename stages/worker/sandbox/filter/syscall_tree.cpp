#include "stages/worker/sandbox/filter/syscall_tree.hpp"

#include <linux/seccomp.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

namespace stages::worker::sandbox {
namespace {

constexpr std::uint32_t x32_bit = 0x40000000;

constexpr sock_filter statement(std::uint16_t code, std::uint32_t value) { return {code, 0, 0, value}; }
constexpr sock_filter jump(std::uint16_t code, std::uint32_t value, std::size_t yes, std::size_t no) {
    return {code, static_cast<std::uint8_t>(yes), static_cast<std::uint8_t>(no), value};
}

struct range {
    std::uint32_t first = 0;
    std::uint32_t answer = 0;
};

std::vector<range> ranges_of(const std::vector<std::uint32_t>& answers, std::uint32_t unknown) {
    std::vector<range> out;
    const auto add = [&out](std::uint32_t first, std::uint32_t answer) {
        if (out.empty() || out.back().answer != answer) out.push_back({first, answer});
    };
    for (std::uint32_t number = 0; number < answers.size(); ++number) add(number, answers[number]);
    add(static_cast<std::uint32_t>(answers.size()), unknown);
    add(x32_bit, look_at_arguments);
    return out;
}

// One jump for each boundary between two ranges; behind them the answers, each once, and behind these the other filter.
class tree {
  public:
    explicit tree(std::vector<range> ranges) : ranges_(std::move(ranges)) {
        for (const auto& each : ranges_)
            if (each.answer != look_at_arguments && std::ranges::find(answers_, each.answer) == answers_.end())
                answers_.push_back(each.answer);
    }

    [[nodiscard]] std::size_t jumps() const { return ranges_.size() - 1; }
    [[nodiscard]] std::size_t size() const { return jumps() + answers_.size(); }

    std::vector<sock_filter> instructions() {
        out_.resize(jumps());
        place(0, ranges_.size(), 0);
        for (const std::uint32_t answer : answers_) out_.push_back(statement(BPF_RET | BPF_K, answer));
        return std::move(out_);
    }

  private:
    // Where the search among these ranges goes on, if its jumps begin at `at`.
    [[nodiscard]] std::size_t target(std::size_t first, std::size_t last, std::size_t at) const {
        if (last - first > 1) return at;
        const auto answer = std::ranges::find(answers_, ranges_[first].answer);
        return jumps() + static_cast<std::size_t>(answer - answers_.begin());
    }

    void place(std::size_t first, std::size_t last, std::size_t at) {
        if (last - first == 1) return;
        const std::size_t middle = first + (last - first) / 2;
        const std::size_t left = at + 1;
        const std::size_t right = left + (middle - first - 1);
        out_[at] = jump(BPF_JMP | BPF_JGE | BPF_K, ranges_[middle].first, target(middle, last, right) - left,
                        target(first, middle, left) - left);
        place(first, middle, left);
        place(middle, last, right);
    }

    std::vector<range> ranges_;
    std::vector<std::uint32_t> answers_;
    std::vector<sock_filter> out_;
};

}  // namespace

runtime::result<std::vector<sock_filter>> make_syscall_tree(std::uint32_t architecture,
                                                            const std::vector<std::uint32_t>& answers,
                                                            std::uint32_t unknown) {
    tree search(ranges_of(answers, unknown));
    // The number is loaded between the first jump and the tree.
    if (search.size() + 1 > UINT8_MAX) return runtime::error_code(EOVERFLOW, boost::system::system_category());
    std::vector<sock_filter> out{statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
                                 jump(BPF_JMP | BPF_JEQ | BPF_K, architecture, 0, search.size() + 1),
                                 statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
    std::ranges::copy(search.instructions(), std::back_inserter(out));
    return out;
}

}  // namespace stages::worker::sandbox
