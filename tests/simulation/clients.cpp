#include "tests/simulation/clients.hpp"

#include "runtime/shard.hpp"

namespace simulation_tests {

using pipeline::failure_code;
using runtime::task;

namespace {

const pipeline::principal& somebody() {
    static const auto who = pipeline::make_principal("default", "local", true);
    return who;
}

// Whose post it is: under a key always the same one's.
const pipeline::principal& poster_of(const std::string& key, std::uint64_t choice) {
    std::uint64_t which = choice;
    if (!key.empty()) which = static_cast<std::uint8_t>(key.back());
    return some_users()[which % some_users().size()];
}

pipeline::script_request request_for(std::uint64_t choice) {
    pipeline::script_request out;
    out.script = "program " + std::to_string(choice);
    if (choice % 5 == 0) out.script.append(4096 + choice % 60'000, '#');
    if (choice % 11 == 0) out.standard_input.assign(300'000, 'i');
    out.lang_version = "3.11";
    out.priority = static_cast<pipeline::priority>(choice % 5);
    out.retry = {3, {pipeline::error_type::infrastructure}, choice % 3 == 0 ? 2000U : 0U};
    out.labels["n"] = std::to_string(choice % 7);
    out.labels["choice"] = std::to_string(choice);
    return out;
}

}  // namespace

const std::vector<pipeline::principal>& some_users() {
    static const std::vector<pipeline::principal> users{pipeline::make_principal("default", "local", true),
                                                        pipeline::make_principal("default", "ann", false),
                                                        pipeline::make_principal("default", "bob", false)};
    return users;
}

namespace {

std::optional<pipeline::idempotency> idempotency_of(const std::string& key) {
    if (key.empty()) return std::nullopt;
    return pipeline::idempotency{key, runtime::sha256(key)};
}

void answered(outside_world& outside, const std::string& key, const pipeline::outcome<pipeline::accepted>& answer) {
    if (answer) return outside.acknowledged(answer->id, key);
    switch (answer.error().code) {
        case failure_code::limited: ++outside.sometimes["a user was at the limit"]; break;
        case failure_code::overloaded:
        case failure_code::draining:
        case failure_code::storage_failed:
        case failure_code::no_space:
        case failure_code::idempotency_in_progress: ++outside.sometimes["a post was refused"]; break;
        default: outside.broken("a post failed: " + answer.error().detail);
    }
}

}  // namespace

task<void> post(pipeline::engine& engine, outside_world& outside, std::string key, std::uint64_t choice) {
    auto request = request_for(choice);
    pipeline::principal poster = poster_of(key, choice);
    auto idempotency = idempotency_of(key);
    const auto answer = co_await engine.execute(std::move(poster), std::move(request), std::move(idempotency));
    answered(outside, key, answer);
}

task<void> post_and_wait(pipeline::engine& engine, outside_world& outside, std::string key, std::uint64_t choice) {
    auto request = request_for(choice);
    pipeline::principal poster = poster_of(key, choice);
    auto idempotency = idempotency_of(key);
    const auto deadline = runtime::shard::here().time().steady() + runtime::milliseconds(choice % 3000);
    const auto answer =
        co_await engine.execute_and_wait(std::move(poster), std::move(request), std::move(idempotency), deadline);
    answered(outside, key, answer);
    if (!answer) co_return;
    if (answer->result) outside.ended(answer->id, answer->result->verdict.status);
    ++outside.sometimes[answer->result ? "a post waited for the end" : "a post did not wait for the end"];
}

task<void> cancel(pipeline::engine& engine, outside_world& outside, execution_id id) {
    const auto answer = co_await engine.cancel(somebody(), id);
    if (answer) {
        outside.cancellation_acknowledged(id);
        ++outside.sometimes["a cancellation was acknowledged"];
    } else if (answer.error().code == failure_code::not_found) {
        outside.not_found(id, "cancel");
    }
}

task<void> follow(pipeline::engine& engine, outside_world& outside, network* by, execution_id id) {
    std::uint32_t cursor = outside.last_received(id);
    if (cursor > 0) ++outside.sometimes["a subscriber resumed"];
    auto made = co_await engine.subscribe(somebody(), id, cursor);
    if (!made) {
        if (made.error().code == failure_code::not_found) outside.not_found(id, "subscribe");
        if (made.error().code == failure_code::bad_event_number)
            outside.broken("P3: " + id.to_string() + " lost events after number " + std::to_string(cursor));
        co_return;
    }
    const std::unique_ptr<pipeline::subscription> subscription = std::move(*made);
    if (!subscription) {
        if (!outside.saw_the_end(id)) outside.broken("P3: " + id.to_string() + " claims that its end was seen");
        co_return;
    }
    while (true) {
        const auto deadline = runtime::shard::here().time().steady() + runtime::seconds(15);
        const auto batch = co_await subscription->next(64 * 1024, deadline);
        if (!batch) co_return;
        for (const auto& one : batch->events) {
            outside.delivered(id, cursor, *one);
            cursor = one->number;
        }
        if (by != nullptr) {
            const bool read = co_await by->sent_to_subscriber();
            if (!read) co_return;
        }
        outside.received(id, cursor);
        if (batch->end) co_return;
    }
}

task<void> look(pipeline::engine& engine, outside_world& outside, execution_id id) {
    const std::uint32_t least = outside.most_shown(id);
    const auto view = co_await engine.find(somebody(), id);
    if (!view) {
        if (view.error().code == failure_code::not_found) outside.not_found(id, "find");
        co_return;
    }
    outside.shown(id, least, view->last_event);
    if (!pipeline::is_terminal(view->status)) co_return;
    outside.ended(id, view->status);
    const auto result = co_await engine.result_of(somebody(), id);
    if (result && result->verdict.status != view->status)
        outside.broken("the result of " + id.to_string() + " is another one than its state");
    if (!result && result.error().code == failure_code::not_finished)
        outside.broken("the result of " + id.to_string() + " is not there though it has ended");
    const auto page = co_await engine.list(somebody(), {}, std::nullopt, 20);
    if (!page) co_return;
    for (std::size_t i = 1; i < page->items.size(); ++i)
        if (!(page->items[i].id < page->items[i - 1].id)) outside.broken("a list is not newest first");
}

task<void> expect_ended(pipeline::engine& engine, outside_world& outside, execution_id id, int& left) {
    const auto deadline = runtime::shard::here().time().steady() + runtime::seconds(200);
    const auto ended = co_await engine.result_in_time(somebody(), id, deadline);
    if (!ended) {
        outside.broken("P1: " + id.to_string() + " is gone in the end: " + ended.error().detail);
    } else if (!*ended) {
        outside.broken("P4: " + id.to_string() + " never ended");
    } else {
        co_await look(engine, outside, id);
        co_await follow(engine, outside, nullptr, id);
        if (!outside.saw_the_end(id)) outside.broken("P3: " + id.to_string() + " ended without a terminal event");
    }
    --left;
}

task<void> expect_room(pipeline::engine& engine, outside_world& outside, std::size_t user, int& left) {
    pipeline::principal poster = some_users()[user];
    auto request = request_for(1);
    std::optional<pipeline::idempotency> no_key;
    const auto answer = co_await engine.execute(std::move(poster), std::move(request), std::move(no_key));
    if (!answer) outside.broken("a user with nothing open is refused: " + answer.error().detail);
    if (answer) outside.acknowledged(answer->id, {});
    --left;
}

task<void> expect_nothing_stuck(pipeline::engine& engine, outside_world& outside, int& left) {
    const auto stuck = co_await engine.stuck();
    for (const auto& one : stuck) outside.broken("P4: " + one.id.to_string() + " is stuck: " + one.why);
    --left;
}

}  // namespace simulation_tests
