#include <algorithm>
#include <array>

#include "runtime/base/random.hpp"
#include "tests/random_programs/prediction.hpp"
#include "tests/random_programs/program.hpp"

namespace random_programs {
namespace {

constexpr std::array<std::string_view, 6> words = {"weir",
                                                   "a b",
                                                   "gr\xc3\xbc\xc3\x9f"
                                                   "e",
                                                   "\xe4\xb8\x96\xe7\x95\x8c",
                                                   "x",
                                                   "100% $HOME `ls` \"q\""};
constexpr std::array<std::string_view, 5> priorities = {"critical", "high", "normal", "low", "background"};
constexpr std::array<std::pair<std::string_view, unsigned>, 5> signals = {
    {{"SIGSEGV", 11}, {"SIGTERM", 15}, {"SIGKILL", 9}, {"SIGABRT", 6}, {"SIGUSR1", 10}}};

constexpr std::uint64_t cancelled_at_once = 5;  // of a hundred

// Chooses one part after the other; what a part needs from another is settled at the end.
class generator {
  public:
    explicit generator(std::uint64_t seed) : random_(seed * 2 + 1) { out_.seed = seed; }

    program make() {
        out_.lang = one_in(2) ? "bash" : "python";
        out_.priority = priorities[random_.below(priorities.size())];
        if (!one_in(4)) out_.key = "program-" + std::to_string(out_.seed);
        choose_input();
        // A third ends in a way of its own; most of the rest exits with some code. One that is cancelled at once only
        // hangs, so that it does not matter how far it came.
        const auto end = random_.below(100);
        if (end >= cancelled_at_once) choose_body();
        choose_end(end);
        choose_client();
        choose_retry();
        settle_limits();
        return std::move(out_);
    }

  private:
    bool one_in(std::uint64_t n) { return random_.below(n) == 0; }
    std::string word() { return std::string(words[random_.below(words.size())]); }
    void add(kind what, std::uint64_t number = 0, std::string text = {}) {
        out_.commands.push_back({what, number, std::move(text)});
    }
    void client(kind what, std::uint64_t number = 0) { out_.client.push_back({what, number, {}}); }
    [[nodiscard]] bool has(kind what) const {
        return std::any_of(out_.commands.begin(), out_.commands.end(), [what](auto& c) { return c.kind == what; });
    }

    void choose_input() {
        const std::uint64_t arguments = random_.below(4);
        for (std::uint64_t i = 0; i < arguments; ++i) out_.args.push_back(word() + std::to_string(i));
        // Above 4 KiB it becomes a blob.
        const std::uint64_t length = one_in(3) ? random_.below(10'000) : random_.below(100);
        for (std::uint64_t i = 0; i < length; ++i)
            out_.input += i % 50 == 49 ? '\n' : static_cast<char>('a' + (i * 7 + out_.seed) % 26);
    }

    void choose_body() {
        const std::uint64_t count = random_.below(13);
        std::uint64_t sleeps = 0;
        std::uint64_t lingering = 0;  // they count for the process limit
        for (std::uint64_t i = 0; i < count; ++i) {
            const auto what = static_cast<kind>(random_.below(static_cast<std::uint64_t>(kind::deaf)));
            switch (what) {
                case kind::print:
                case kind::complain:
                case kind::fork_print:
                case kind::write_and_read: add(what, 1 + random_.below(40), word()); break;
                case kind::print_binary: add(what, 1 + random_.below(5)); break;
                case kind::print_big: add(what, 1 + random_.below(150'000)); break;
                case kind::sleep:
                    if (++sleeps <= 4) add(what, 1 + random_.below(80));
                    break;
                case kind::burn_cpu: add(what, 1 + random_.below(15)); break;
                case kind::read_input: add(what, 1 + random_.below(3000)); break;
                case kind::echo_argument:
                    if (!out_.args.empty()) add(what, random_.below(out_.args.size()));
                    break;
                case kind::at_exit:
                    if (!has(what)) add(what, 1 + random_.below(3), word());
                    break;
                case kind::fork_linger:
                    if (++lingering <= 2) add(what);
                    break;
                default: add(what);
            }
        }
    }

    void choose_end(std::uint64_t dice) {
        if (dice < cancelled_at_once) {
            add(kind::hang);
            client(kind::cancel_at_once);
        } else if (dice < 12) {
            // The last line says that everything before it was written.
            add(kind::print, 1, "ready");
            if (one_in(2)) add(kind::deaf);
            add(kind::hang);
            client(kind::cancel_when_ready);
        } else if (dice < 16) {
            // Alone it can be short; behind other commands there must be time for those on a busy machine.
            if (one_in(2)) out_.commands.clear();
            if (out_.commands.size() > 3) out_.commands.resize(3);
            out_.limits.wall_ms = out_.commands.empty() ? 300 : 10'000;
            if (!out_.commands.empty()) out_.lang = "bash";
            if (one_in(2)) add(kind::deaf);
            add(kind::hang);
        } else if (dice < 18) {
            out_.limits.cpu_ms = 1000;
            add(kind::burn_on);
        } else if (dice < 20) {
            out_.limits.memory_bytes = 64 << 20;
            add(kind::eat_memory);
        } else if (dice < 23) {
            out_.limits.kill_on_output_limit = true;
            add(kind::overflow);
        } else if (dice < 25) {
            out_.limits.processes = 10;
            add(kind::fork_on);
        } else if (dice < 27) {
            out_.limits.disk_bytes = 8 << 20;
            add(kind::fill_disk);
        } else if (dice < 33) {
            // Shells run what they keep for the end on some signals too.
            std::erase_if(out_.commands, [](const command& c) { return c.kind == kind::at_exit; });
            const auto& signal = signals[random_.below(signals.size())];
            add(kind::raise, signal.second, std::string(signal.first));
        } else if (dice < 55) {
            add(kind::exit_with, 1 + random_.below(255));
        } else if (dice < 70) {
            add(kind::exit_with, 0);
        }
        out_.needs_enforced_limits = has(kind::burn_on) || has(kind::eat_memory) || has(kind::fork_on);
        if (out_.needs_enforced_limits || has(kind::fill_disk)) out_.lang = "python";
    }

    void choose_client() {
        if (!out_.key.empty()) {
            if (one_in(4)) client(kind::storm, 2 + random_.below(3));
            if (one_in(3)) client(kind::repeat_key, 1 + random_.below(3));
            if (one_in(5)) client(kind::other_body);
            if (one_in(5)) client(kind::wait_for_result);
        }
        if (one_in(4)) client(kind::cancel_again);
        if (one_in(3)) client(kind::resubscribe, 1 + random_.below(6));
        if (one_in(4)) client(kind::read_again);
        while (out_.commands.size() + out_.client.size() > commands_max) out_.client.pop_back();
    }

    void choose_retry() {
        const auto own = predict(out_, {});
        const auto dice = random_.below(10);
        if (dice < 3) return;
        retry policy;
        policy.on = {"infrastructure"};
        policy.backoff_ms = one_in(3) ? 0 : random_.below(200);
        // With ten attempts no number of kills that a run makes is the end of it.
        policy.attempts_max = dice < 7 ? 10 : 1 + static_cast<std::uint32_t>(random_.below(4));
        const bool own_end_too = !own.error_type.empty() && !out_.is_cancelled() && one_in(2) && !is_slow();
        if (own_end_too) {
            policy.on.emplace_back(own.error_type);
            policy.attempts_max = 2 + static_cast<std::uint32_t>(random_.below(3));
        }
        if (own_end_too && one_in(4)) policy.on.erase(policy.on.begin());
        out_.retry = policy;
    }

    // An attempt takes seconds.
    [[nodiscard]] bool is_slow() const { return has(kind::burn_on) || out_.limits.wall_ms > 1000; }

    void settle_limits() {
        const auto whole = predict(out_, {});
        const std::uint64_t longer = std::max(whole.standard_output.size(), whole.standard_error.size());
        if (has(kind::overflow)) {
            // What stands before the overflow fits.
            out_.limits.output_bytes = longer + 1 + random_.below(1000);
            out_.commands.back().number = out_.limits.output_bytes + 1000;
        } else if (longer > 0 && one_in(8) && out_.client_does(kind::cancel_when_ready) == nullptr) {
            // What is cut off cannot be waited for.
            out_.limits.output_bytes = 1 + random_.below(longer + 10);
        }
    }

    runtime::random_source random_;
    program out_;
};

}  // namespace

program make_program(std::uint64_t seed) { return generator(seed).make(); }

}  // namespace random_programs
