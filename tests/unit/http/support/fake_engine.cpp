#include "tests/unit/http/support/fake_engine.hpp"

#include <algorithm>

#include "runtime/base/encoding.hpp"
#include "runtime/submit.hpp"

namespace http::testing {

using pipeline::event_type;
using pipeline::failure;
using pipeline::failure_code;
using runtime::submit;

namespace {

failure fail(failure_code code) {
    failure out;
    out.code = code;
    if (code == failure_code::limited || code == failure_code::overloaded) {
        out.limit = "admission.queued_max";
        out.limit_value = 100;
        out.retry_after_s = 7;
    }
    return out;
}

event_type end_of(pipeline::status status) {
    switch (status) {
        case pipeline::status::failed: return event_type::execution_failed;
        case pipeline::status::timeout: return event_type::execution_timeout;
        case pipeline::status::cancelled: return event_type::execution_cancelled;
        default: return event_type::execution_completed;
    }
}

pipeline::verdict_view completed() {
    pipeline::verdict_view out;
    out.exit_code = 0;
    out.resource_usage.emplace();
    out.resource_usage->wall_us = 1'500'000;
    out.resource_usage->cpu_us = 250'000;
    return out;
}

bool matches(const pipeline::execution_view& view, const pipeline::list_filter& filter) {
    if (filter.only_status && view.status != *filter.only_status) return false;
    if (!filter.lang.empty() && view.lang != filter.lang) return false;
    return std::all_of(filter.labels.begin(), filter.labels.end(), [&](const auto& wanted) {
        const auto it = view.labels.find(wanted.first);
        return it != view.labels.end() && it->second == wanted.second;
    });
}

class fake_subscription final : public pipeline::subscription {
  public:
    fake_subscription(fake_store& store, fake_execution& from, std::uint32_t after)
        : store_(store), from_(from), next_(after) {
        ++store_.subscriptions;
    }
    ~fake_subscription() override { --store_.subscriptions; }

    task<outcome<batch>> next(std::size_t bytes_max, runtime::steady_time deadline) override {
        batch out;
        while (next_ == from_.events.size()) {
            const bool woken = co_await from_.changed.wait_until(deadline);
            if (!woken) co_return out;
        }
        std::size_t bytes = 0;
        while (next_ < from_.events.size() && bytes < bytes_max) {
            out.events.push_back(from_.events[next_++]);
            bytes += 64 + out.events.back()->bytes.size();
        }
        out.end = pipeline::is_terminal(out.events.back()->type);
        co_return out;
    }

  private:
    fake_store& store_;
    fake_execution& from_;
    std::size_t next_;
};

}  // namespace

pipeline::event& fake_execution::add(event_type type) {
    auto one = std::make_shared<pipeline::event>();
    one->number = static_cast<std::uint32_t>(events.size() + 1);
    one->type = type;
    one->time = {1'795'000'000'000'000 + static_cast<std::int64_t>(events.size())};
    one->lang = request.lang;
    one->lang_version = request.lang_version;
    one->priority = request.priority;
    events.push_back(one);
    changed.notify_all();
    mine_.push_back(one);
    return *one;
}

void fake_execution::output(std::string bytes) {
    auto& one = add(event_type::execution_output);
    one.offset = standard_output.size();
    one.is_text = runtime::is_utf8(bytes);
    standard_output += bytes;
    one.bytes = std::move(bytes);
}

void fake_execution::conclude(pipeline::verdict_view how) {
    if (verdict) return;
    for (const auto& path : request.outputs) {
        const bool missing = path == "missing";
        how.artifacts.push_back({path, missing ? 0 : path.size(),
                                 missing ? pipeline::artifact_fault::not_found : pipeline::artifact_fault::none});
    }
    verdict = how;
    add(end_of(how.status)).verdict = std::move(how);
}

pipeline::execution_view fake_execution::view() const {
    pipeline::execution_view out;
    out.id = id;
    out.status = verdict ? verdict->status : pipeline::status::running;
    out.lang = request.lang;
    out.lang_version = request.lang_version;
    out.priority = request.priority;
    out.labels = request.labels;
    out.created_at = id.created_at();
    out.last_event = static_cast<std::uint32_t>(events.size());
    return out;
}

fake_world::fake_world(std::vector<runtime::shard*> on) : shards(std::move(on)) {
    runtime::random_source random(42);
    for (std::size_t i = 0; i < shards.size(); ++i) {
        stores.push_back(std::make_unique<fake_store>(*shards[i], random.split()));
        engines.push_back(std::make_unique<fake_engine>(*this, i));
    }
    limits.runtimes.push_back({"python", {"3.11"}, "py", "print('hello')\n"});
    limits.runtimes.push_back({"bash", {"5.2"}, "sh", "echo hello\n"});
}

fake_world::~fake_world() = default;

std::vector<pipeline::engine*> fake_world::engine_pointers() const {
    std::vector<pipeline::engine*> out;
    for (const auto& one : engines) out.push_back(one.get());
    return out;
}

pipeline::engine& fake_engine::on(runtime::shard& home) { return *world_.engines[home.id()]; }

task<outcome<pipeline::accepted>> fake_engine::execute(pipeline::principal who, pipeline::script_request request,
                                                       std::optional<pipeline::idempotency> key) {
    if (request.script == "refuse limited") co_return fail(failure_code::limited);
    if (request.script == "refuse overloaded") co_return fail(failure_code::overloaded);
    if (request.script == "refuse no_space") co_return fail(failure_code::no_space);
    if (request.script == "refuse storage_failed") co_return fail(failure_code::storage_failed);
    if (request.script == "throw") throw std::runtime_error("the engine broke");
    auto& here = *world_.stores[index_];
    pipeline::accepted out;
    // The slot spreads over the shards, so that every second execution is at home elsewhere.
    const runtime::slot home{static_cast<std::uint16_t>(here.home.random().below(65536))};
    out.id = here.ids.next(home);
    if (key) {
        const auto look = [this, key = *key, id = out.id] {
            auto& keys = world_.stores[0]->keys;
            return keys.try_emplace(key.key, known_key{key.body_sha256, id}).first->second;
        };
        const auto known = co_await submit(*world_.shards[0], look);
        if (known.body_sha256 != key->body_sha256) co_return fail(failure_code::idempotency_key_reused);
        if (known.id != out.id) {
            out.id = known.id;
            out.replayed = true;
            const auto view = co_await find(who, out.id);
            out.status = view.value().status;
            co_return out;
        }
    }
    const auto make = [this, who, request, id = out.id] {
        auto& store = store_of(id);
        auto made = std::make_unique<fake_execution>(store.home);
        made->id = id;
        made->owner = who;
        made->request = request;
        for (const auto type :
             {event_type::execution_requested, event_type::execution_accepted, event_type::execution_queued,
              event_type::execution_scheduled, event_type::execution_started})
            made->add(type);
        if (request.script.starts_with("echo ")) made->output(request.script.substr(5));
        if (request.script != "hold") made->conclude(completed());
        store.executions.emplace(id, std::move(made));
    };
    co_await submit(home_of(out.id), make);
    co_return out;
}

task<outcome<pipeline::accepted>> fake_engine::execute_and_wait(pipeline::principal who,
                                                                pipeline::script_request request,
                                                                std::optional<pipeline::idempotency> key,
                                                                runtime::steady_time deadline) {
    auto out = co_await execute(who, std::move(request), std::move(key));
    if (!out || out->replayed) co_return out;
    auto result = co_await result_in_time(who, out->id, deadline);
    if (result) out->result = std::move(*result);
    co_return out;
}

task<outcome<pipeline::execution_view>> fake_engine::find(pipeline::principal, execution_id id) {
    const auto look = [this, id]() -> outcome<pipeline::execution_view> {
        auto& store = store_of(id);
        const auto it = store.executions.find(id);
        if (it == store.executions.end()) return fail(failure_code::not_found);
        return it->second->view();
    };
    co_return co_await submit(home_of(id), look);
}

task<outcome<pipeline::result_view>> fake_engine::result_of(pipeline::principal, execution_id id) {
    const auto look = [this, id]() -> outcome<pipeline::result_view> {
        auto& store = store_of(id);
        const auto it = store.executions.find(id);
        if (it == store.executions.end()) return fail(failure_code::not_found);
        const auto& one = *it->second;
        if (!one.verdict) return fail(failure_code::not_finished);
        pipeline::result_view out;
        out.id = id;
        out.verdict = *one.verdict;
        out.standard_output = one.standard_output;
        out.standard_error = one.standard_error;
        out.lang = one.request.lang;
        out.lang_version = one.request.lang_version;
        out.priority = one.request.priority;
        return out;
    };
    co_return co_await submit(home_of(id), look);
}

task<outcome<std::string>> fake_engine::artifact_of(pipeline::principal who, execution_id id, std::uint32_t number) {
    auto result = co_await result_of(std::move(who), id);
    if (result.has_error()) co_return result.error();
    const auto& all = result.value().verdict.artifacts;
    if (number < 1 || number > all.size() || all[number - 1].fault != pipeline::artifact_fault::none)
        co_return fail(failure_code::not_found);
    co_return all[number - 1].path;
}

namespace {

task<outcome<bool>> wait_there(fake_store* store, execution_id id, runtime::steady_time deadline) {
    const auto it = store->executions.find(id);
    if (it == store->executions.end()) co_return fail(failure_code::not_found);
    auto& one = *it->second;
    while (!one.verdict) {
        const bool woken = co_await one.changed.wait_until(deadline);
        if (!woken) co_return outcome<bool>(false);
    }
    co_return outcome<bool>(true);
}

}  // namespace

task<outcome<std::optional<pipeline::result_view>>> fake_engine::result_in_time(pipeline::principal who,
                                                                                execution_id id,
                                                                                runtime::steady_time deadline) {
    std::optional<pipeline::result_view> out;
    const auto wait = [store = &store_of(id), id, deadline] { return wait_there(store, id, deadline); };
    const auto ended = co_await submit(home_of(id), wait);
    if (ended.has_error()) co_return ended.error();
    if (!ended.value()) co_return out;
    auto result = co_await result_of(std::move(who), id);
    if (result.has_error()) co_return result.error();
    out = std::move(result.value());
    co_return out;
}

task<outcome<pipeline::list_page>> fake_engine::list(pipeline::principal, pipeline::list_filter filter,
                                                     std::optional<execution_id> below, std::size_t limit) {
    std::vector<pipeline::execution_view> all;
    for (std::size_t i = 0; i < world_.shards.size(); ++i) {
        const auto collect = [store = world_.stores[i].get()] {
            std::vector<pipeline::execution_view> out;
            for (const auto& [id, one] : store->executions) out.push_back(one->view());
            return out;
        };
        for (auto& view : co_await submit(*world_.shards[i], collect))
            if (matches(view, filter) && (!below || view.id < *below)) all.push_back(std::move(view));
    }
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return b.id < a.id; });
    pipeline::list_page out;
    for (auto& view : all) {
        if (out.items.size() == limit) {
            out.next = out.items.back().id;
            break;
        }
        out.items.push_back(std::move(view));
    }
    co_return out;
}

task<outcome<void>> fake_engine::cancel(pipeline::principal, execution_id id) {
    const auto act = [this, id]() -> outcome<void> {
        auto& store = store_of(id);
        const auto it = store.executions.find(id);
        if (it == store.executions.end()) return fail(failure_code::not_found);
        if (it->second->verdict) return fail(failure_code::already_finished);
        it->second->add(event_type::execution_cancellation_requested);
        return {};
    };
    co_return co_await submit(home_of(id), act);
}

task<outcome<std::unique_ptr<pipeline::subscription>>> fake_engine::subscribe(pipeline::principal, execution_id id,
                                                                              std::uint32_t after) {
    using made = outcome<std::unique_ptr<pipeline::subscription>>;
    if (&home_of(id) != &runtime::shard::here()) co_return made(fail(failure_code::internal));
    auto& store = store_of(id);
    const auto it = store.executions.find(id);
    if (it == store.executions.end()) co_return made(fail(failure_code::not_found));
    auto& one = *it->second;
    if (after > one.events.size()) co_return made(fail(failure_code::bad_event_number));
    if (one.verdict && after == one.events.size()) co_return made(std::unique_ptr<pipeline::subscription>());
    std::unique_ptr<pipeline::subscription> out = std::make_unique<fake_subscription>(store, one, after);
    co_return made(std::move(out));
}

task<outcome<pipeline::attachment>> fake_engine::attach(pipeline::principal who, execution_id id, std::uint32_t after) {
    using made = outcome<pipeline::attachment>;
    auto events = co_await subscribe(std::move(who), id, after);
    if (events.has_error()) co_return made(events.error());
    auto& one = *store_of(id).executions.at(id);
    if (!one.request.interactive) co_return made(fail(failure_code::not_interactive));
    if (one.verdict) co_return made(fail(failure_code::already_finished));
    if (!one.input) one.input = std::make_shared<pipeline::live_input>(store_of(id).home, *one.request.interactive);
    co_return made(pipeline::attachment(std::move(events.value()), pipeline::live_input::client(one.input)));
}

task<std::vector<pipeline::stuck_execution>> fake_engine::stuck() {
    co_return std::vector<pipeline::stuck_execution>();
}

task<void> fake_engine::output(execution_id id, std::string bytes) {
    const auto act = [store = &store_of(id), id, bytes] { store->executions.at(id)->output(bytes); };
    co_await submit(home_of(id), act);
}

task<void> fake_engine::conclude(execution_id id, pipeline::verdict_view how) {
    const auto act = [store = &store_of(id), id, how] { store->executions.at(id)->conclude(how); };
    co_await submit(home_of(id), act);
}

}  // namespace http::testing
