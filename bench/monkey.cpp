#include "bench/monkey.hpp"

#include <algorithm>

#include "runtime/spawn.hpp"
#include "runtime/timer.hpp"

namespace bench {

using http::client::header_list;
using runtime::nanoseconds;
using runtime::task;

namespace {

// The newest that a monkey plays with; all of them are read behind the load.
constexpr std::size_t known_max = 64;

}  // namespace

monkey::monkey(lane& owner, std::uint64_t seed) : lane_(owner), random_(seed) {}

const std::vector<monkey::action>& monkey::actions() {
    static const std::vector<action> all = {
        {"post_valid", 20, &monkey::post_valid},
        {"post_and_wait", 8, &monkey::post_and_wait},
        {"post_invalid", 15, &monkey::post_invalid},
        {"repeat_key", 8, &monkey::repeat_key},
        {"reuse_key", 5, &monkey::reuse_key},
        {"race_one_key", 4, &monkey::race_one_key},
        {"view", 8, &monkey::view},
        {"read_result", 8, &monkey::read_result},
        {"read_output", 4, &monkey::read_output},
        {"cancel", 8, &monkey::cancel},
        {"follow_some", 10, &monkey::follow_some},
        {"resume_wrongly", 4, &monkey::resume_wrongly},
        {"list", 4, &monkey::list},
        {"list_wrongly", 4, &monkey::list_wrongly},
        {"ask_for_nothing", 6, &monkey::ask_for_nothing},
    };
    return all;
}

task<void> monkey::play(segment what) {
    const auto end = what.begin + what.length;
    std::uint32_t weights = 0;
    for (const auto& one : actions()) weights += one.weight;
    const auto think = static_cast<double>(nanoseconds(lane_.setup_.options.think).count());
    while (lane_.home_.time().steady() < end && !lane_.stopping()) {
        auto chosen = static_cast<std::uint32_t>(random_.below(weights));
        const action* now = actions().data();
        for (; chosen >= now->weight; ++now) chosen -= now->weight;
        // Most actions need an execution to act on.
        if (mine_.empty()) now = actions().data();
        acting_ = now->name;
        ++lane_.now_.actions[acting_];
        ++lane_.now_.counts.planned;
        co_await (this->*now->act)();
        const auto pause = nanoseconds(static_cast<std::int64_t>(think * exponential(random_)));
        const bool slept = co_await runtime::sleep_for(pause, lane_.stop_.get_token());
        if (!slept) break;
    }
}

void monkey::wrong(std::string kind, std::string what) {
    lane_.now_.wrong.add(finding(std::move(kind), std::string(acting_) + ": " + std::move(what)));
}

task<call_answer> monkey::ask(std::string method, std::string target, header_list headers, std::string body) {
    http::client::request what(std::move(method), std::move(target));
    what.headers = std::move(headers);
    what.body = std::move(body);
    return lane_.calls_.call(std::move(what), lane_.call_deadline());
}

bool monkey::expect(const call_answer& got, std::initializer_list<int> statuses) {
    if (got.status == 0) {
        lane_.now_.error(std::string(acting_) + "." + got.kind());
        return false;
    }
    const bool meant = std::ranges::find(statuses, got.status) != statuses.end();
    if (got.status >= 400) {
        const auto problem = json::parse(got.answer.body);
        bool whole = problem && got.answer.head.header("content-type") == "application/problem+json" &&
                     json::count_of(*problem, "status") == static_cast<std::uint64_t>(got.status);
        for (const auto* member : {"type", "title", "code", "request_id"})
            whole = whole && !json::text_of(*problem, member).empty();
        if (!whole)
            wrong("answer_malformed",
                  std::to_string(got.status) + " without a whole problem document: " + got.answer.body.substr(0, 200));
    }
    if (!meant && (got.status == 429 || got.status == 503) && !got.answer.head.header("retry-after").empty()) {
        ++lane_.now_.actions["refused_for_now"];
        return false;
    }
    if (meant) return true;
    std::string text = "answered " + got.kind() + ", expected ";
    for (const int one : statuses) text += std::to_string(one) + (one == *(statuses.end() - 1) ? "" : " or ");
    wrong("answer_wrong", text + ": " + got.answer.body.substr(0, 200));
    return false;
}

void monkey::remember(std::uint64_t number, const post_answer& posted) {
    lane_.note_accepted(posted, posted.id, posted.call.asked, false);
    lane_.keep_for_audit({number, posted.id, 0, 0, false});
    mine_.push_back({number, posted.id});
    if (mine_.size() > known_max) mine_.erase(mine_.begin());
}

const monkey::known_execution& monkey::any() { return mine_[random_.below(mine_.size())]; }

std::string monkey::unknown_id() {
    if (random_.chance(300'000)) return "no-id-" + std::to_string(random_.below(1'000));
    char text[40];
    std::snprintf(text, sizeof text, "0192f3c1-7a50-7c1e-9d3f-%012llx",
                  static_cast<unsigned long long>(random_.next() & 0xffffffffffffULL));
    return text;
}

task<recorder> lane::run_monkeys(segment what) {
    drain_from(what.begin + what.length);
    // Each accepted execution is read to its end behind the load.
    audit_max_ = std::min(setup_.options.audit.value_or(UINT64_MAX), audit_all_max);
    for (std::uint64_t i = part_.index; i < setup_.options.users; i += part_.count)
        runtime::spawn(*gate_, home_, one_monkey(setup_.seed * 1'000'003 + i, what));
    co_return co_await drained();
}

task<void> lane::one_monkey(std::uint64_t seed, segment what) {
    monkey self(*this, seed);
    co_await self.play(what);
}

}  // namespace bench
