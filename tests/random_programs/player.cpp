#include "tests/random_programs/player.hpp"

#include "runtime/shard.hpp"

namespace random_programs {

using pipeline::failure;
using pipeline::failure_code;
using runtime::task;

namespace {

const pipeline::principal& somebody() {
    static const auto who = pipeline::make_principal("default", "local", true);
    return who;
}

pipeline::script_request request_for(const program& what, bool other) {
    pipeline::script_request out;
    out.script = to_script(what.commands);
    if (other) out.script += "# another body\n";
    // Above 4 KiB it becomes a blob.
    if (what.seed % 5 == 0) out.script += '#' + std::string(5000 + what.seed % 30'000, '.') + '\n';
    out.lang = what.lang;
    out.lang_version = "3";
    out.args = what.args;
    out.standard_input = what.input;
    out.priority = *pipeline::parse_priority(what.priority);
    const auto set = [](std::uint64_t& to, std::uint64_t value) {
        if (value > 0) to = value;
    };
    set(out.limits.wall_ms, what.limits.wall_ms);
    set(out.limits.cpu_ms, what.limits.cpu_ms);
    set(out.limits.memory_bytes, what.limits.memory_bytes);
    set(out.limits.processes, what.limits.processes);
    set(out.limits.output_bytes, what.limits.output_bytes);
    set(out.limits.disk_bytes, what.limits.disk_bytes);
    out.limits.kill_on_output_limit = what.limits.kill_on_output_limit;
    out.retry = {3, {pipeline::error_type::infrastructure}, 0};
    if (what.retry) {
        out.retry = {what.retry->attempts_max, {}, what.retry->backoff_ms};
        for (const auto& name : what.retry->on) out.retry.on.push_back(*pipeline::parse_error_type(name));
    }
    out.labels["program"] = std::to_string(what.seed);
    return out;
}

std::optional<pipeline::idempotency> key_of(const program& what, bool other) {
    if (what.key.empty()) return std::nullopt;
    pipeline::idempotency out;
    out.key = what.key;
    out.body_sha256 = runtime::sha256(what.key + (other ? "another body" : ""));
    return out;
}

// What a client of a server that is starved, starting or failing is told: it asks again later.
bool is_passing(const failure& why) {
    switch (why.code) {
        case failure_code::overloaded:
        case failure_code::draining:
        case failure_code::storage_failed:
        case failure_code::no_space:
        case failure_code::idempotency_in_progress: return true;
        default: return false;
    }
}

std::string name(const player& mine) {
    return "program " + std::to_string(mine.what.seed) + (mine.accepted ? " (" + mine.id.to_string() + ")" : "");
}

void enter(outside_world& outside, player& mine, const pipeline::accepted& answer) {
    outside.acknowledged(answer.id, mine.what.key);
    if (mine.accepted && mine.id != answer.id) outside.broken("P2: " + name(mine) + " has two executions");
    if (!answer.replayed && ++mine.first_answers > 1) outside.broken("P2: " + name(mine) + " was accepted twice");
    mine.id = answer.id;
    mine.accepted = true;
}

task<bool> post_once(pipeline::engine& engine, outside_world& outside, player& mine) {
    auto request = request_for(mine.what, false);
    auto key = key_of(mine.what, false);
    const auto answer = co_await engine.execute(somebody(), std::move(request), std::move(key));
    if (answer) {
        enter(outside, mine, *answer);
        co_return true;
    }
    if (!is_passing(answer.error())) outside.broken("a post of " + name(mine) + " failed: " + answer.error().detail);
    ++outside.sometimes["a post was refused"];
    co_return false;
}

// A post without a key got no answer: its label says whether it was taken. False: not known yet.
task<bool> look_whether_taken(pipeline::engine& engine, outside_world& outside, player& mine) {
    pipeline::list_filter filter;
    filter.labels.emplace_back("program", std::to_string(mine.what.seed));
    const auto page = co_await engine.list(somebody(), std::move(filter), std::nullopt, 10);
    if (!page) co_return false;
    if (page->items.size() > 1) outside.broken("P2: " + name(mine) + " has two executions");
    if (page->items.size() == 1) {
        ++outside.sometimes["a post without answer or key was found"];
        enter(outside, mine, pipeline::accepted{page->items.front().id, page->items.front().status, true});
    }
    mine.post_unanswered = false;
    co_return true;
}

task<bool> refuse_other_body(pipeline::engine& engine, outside_world& outside, player& mine) {
    auto request = request_for(mine.what, true);
    auto key = key_of(mine.what, true);
    const auto answer = co_await engine.execute(somebody(), std::move(request), std::move(key));
    if (!answer && is_passing(answer.error())) co_return false;
    if (answer || answer.error().code != failure_code::idempotency_key_reused)
        outside.broken("P2: " + name(mine) + " took another body under its key");
    co_return true;
}

task<bool> cancel(pipeline::engine& engine, outside_world& outside, player& mine) {
    const auto answer = co_await engine.cancel(somebody(), mine.id);
    if (!answer && is_passing(answer.error())) co_return false;
    if (answer) {
        outside.cancellation_acknowledged(mine.id);
        mine.cancellation_acknowledged = true;
    } else if (answer.error().code != failure_code::already_finished) {
        outside.broken("a cancellation of " + name(mine) + " failed: " + answer.error().detail);
    }
    co_return true;
}

// One of the things that are done between the post and the end.
task<bool> do_at_once(pipeline::engine& engine, outside_world& outside, player& mine, command c) {
    switch (c.kind) {
        case kind::repeat_key:
            for (std::uint64_t i = 0; i < c.number; ++i) {
                const bool answered = co_await post_once(engine, outside, mine);
                if (!answered) co_return false;
            }
            co_return true;
        case kind::other_body: co_return co_await refuse_other_body(engine, outside, mine);
        case kind::cancel_at_once: co_return co_await cancel(engine, outside, mine);
        default: co_return true;
    }
}

// The program hangs and everything it wrote was seen: its client asks for the result, in vain, and cancels it.
task<void> cancel_what_is_ready(pipeline::engine& engine, outside_world& outside, player& mine) {
    const auto early = co_await engine.result_of(somebody(), mine.id);
    if (early || (early.error().code != failure_code::not_finished && !is_passing(early.error()))) {
        // A result there is only if the last attempt that the policy grants was lost meanwhile; the history tells.
        const bool lost = early && early->verdict.error_type == pipeline::error_type::infrastructure;
        if (!lost && !mine.cancellation_acknowledged) outside.broken(name(mine) + " has a result before its end");
    }
    const bool answered = co_await cancel(engine, outside, mine);
    if (!answered) ++outside.sometimes["a cancellation was refused"];
}

bool resubscribes_now(player& mine, std::size_t seen) {
    const auto* c = mine.what.client_does(kind::resubscribe);
    if (c == nullptr || mine.resubscribed || seen < c->number) return false;
    return mine.resubscribed = true;
}

// True at the end of the history.
task<bool> follow_once(pipeline::engine& engine, outside_world& outside, player& mine) {
    auto made = co_await engine.subscribe(somebody(), mine.id, mine.last_event());
    if (!made) {
        if (!is_passing(made.error())) outside.broken("P3: no events of " + name(mine) + ": " + made.error().detail);
        co_return false;
    }
    const std::unique_ptr<pipeline::subscription> subscription = std::move(*made);
    if (!subscription) co_return true;
    while (true) {
        const auto deadline = runtime::shard::here().time().steady() + runtime::seconds(15);
        const auto batch = co_await subscription->next(64 * 1024, deadline);
        if (!batch) co_return false;
        for (const auto& one : batch->events) {
            outside.delivered(mine.id, mine.last_event(), *one);
            mine.events.emplace(one->number, one);
            if (!resubscribes_now(mine, mine.events.size())) continue;
            ++outside.sometimes["a client went on from a number of its own choice"];
            co_return false;
        }
        if (batch->end) co_return true;
        if (mine.what.client_does(kind::cancel_when_ready) != nullptr && mine.is_ready())
            co_await cancel_what_is_ready(engine, outside, mine);
    }
}

// The history once more: outside_world holds it against what was seen.
task<bool> read_again(pipeline::engine& engine, outside_world& outside, player& mine) {
    auto made = co_await engine.subscribe(somebody(), mine.id, 0);
    if (!made || !*made) co_return false;
    const std::unique_ptr<pipeline::subscription> subscription = std::move(*made);
    std::uint32_t cursor = 0;
    while (true) {
        const auto deadline = runtime::shard::here().time().steady() + runtime::seconds(15);
        const auto batch = co_await subscription->next(64 * 1024, deadline);
        if (!batch) co_return false;
        for (const auto& one : batch->events) {
            outside.delivered(mine.id, cursor, *one);
            cursor = one->number;
        }
        if (batch->end) break;
    }
    if (cursor != mine.last_event()) outside.broken("P3: " + name(mine) + " has another number of events now");
    co_return true;
}

task<void> expect_no_more(pipeline::engine& engine, outside_world& outside, player& mine) {
    auto none = co_await engine.subscribe(somebody(), mine.id, mine.last_event());
    if (none && *none) outside.broken("P3: " + name(mine) + " has something to say after its end");
    auto beyond = co_await engine.subscribe(somebody(), mine.id, mine.last_event() + 1);
    if (beyond || (beyond.error().code != failure_code::bad_event_number && !is_passing(beyond.error())))
        outside.broken("P3: " + name(mine) + " knows a number that it never gave");
}

}  // namespace

bool player::is_ready() const {
    std::size_t standard_output = 0;
    std::size_t standard_error = 0;
    bool started = false;
    for (const auto& [number, one] : events) {
        if (one->type == pipeline::event_type::execution_attempt_ended) started = false;
        if (one->type == pipeline::event_type::execution_started) {
            started = true;
            standard_output = standard_error = 0;
        }
        if (one->type != pipeline::event_type::execution_output) continue;
        (one->stream == pipeline::stream::standard_output ? standard_output : standard_error) += one->bytes.size();
    }
    return started && standard_output == visible(own.standard_output, own.stdout_truncated) &&
           standard_error == visible(own.standard_error, own.stderr_truncated);
}

task<void> post(pipeline::engine& engine, outside_world& outside, player& mine) {
    if (mine.what.key.empty() && mine.post_unanswered) {
        const bool known = co_await look_whether_taken(engine, outside, mine);
        if (known && mine.accepted) mine.phase = phase::at_once;
    } else {
        mine.post_unanswered = true;
        const bool taken = co_await post_once(engine, outside, mine);
        // A refusal is an answer: nothing was taken.
        mine.post_unanswered = false;
        if (taken && mine.phase == phase::posting) mine.phase = phase::at_once;
    }
    --mine.tasks;
}

task<void> act_at_once(pipeline::engine& engine, outside_world& outside, player& mine) {
    while (mine.next_at_once < mine.what.client.size()) {
        const bool done = co_await do_at_once(engine, outside, mine, mine.what.client[mine.next_at_once]);
        if (!done) break;
        ++mine.next_at_once;
    }
    if (mine.next_at_once == mine.what.client.size()) mine.phase = phase::following;
    --mine.tasks;
}

task<void> follow(pipeline::engine& engine, outside_world& outside, player& mine) {
    const bool over = co_await follow_once(engine, outside, mine);
    if (over) mine.phase = phase::closing;
    --mine.tasks;
}

task<void> close(pipeline::engine& engine, outside_world& outside, player& mine) {
    auto result = co_await engine.result_of(somebody(), mine.id);
    const auto view = co_await engine.find(somebody(), mine.id);
    bool whole = result && view;
    if (!result && !is_passing(result.error()))
        outside.broken("P1: no result of " + name(mine) + ": " + result.error().detail);
    if (whole && mine.what.client_does(kind::cancel_again) != nullptr) {
        const auto answer = co_await engine.cancel(somebody(), mine.id);
        if (answer || (answer.error().code != failure_code::already_finished && !is_passing(answer.error())))
            outside.broken(name(mine) + " is cancelled after its end");
    }
    if (whole && mine.what.client_does(kind::wait_for_result) != nullptr)
        whole = co_await post_once(engine, outside, mine);
    if (whole && mine.what.client_does(kind::read_again) != nullptr) whole = co_await read_again(engine, outside, mine);
    if (whole) {
        co_await expect_no_more(engine, outside, mine);
        mine.attempt = view->attempt;
        mine.result = std::move(*result);
        mine.phase = phase::done;
    }
    --mine.tasks;
}

}  // namespace random_programs
