// The engine's reads: views, results, lists and subscriptions, from memory, log and archive.
#include <algorithm>

#include "pipeline/engine_service.hpp"

namespace pipeline {
namespace {

constexpr std::size_t result_read_bytes = 1 << 20;

execution_view view_of(execution_id id, const summary& s) {
    execution_view out;
    out.id = id;
    out.status = s.verdict.status;
    out.lang = s.lang;
    out.lang_version = s.lang_version;
    out.priority = s.priority;
    out.labels = s.labels;
    out.attempt = s.attempt;
    out.created_at = id.created_at();
    out.started_at = s.started_at;
    out.finished_at = s.finished_at;
    out.last_event = s.last_event;
    return out;
}

bool matches(const list_filter& filter, const execution_view& view) {
    if (filter.only_status && *filter.only_status != view.status) return false;
    if (!filter.lang.empty() && filter.lang != view.lang) return false;
    return std::all_of(filter.labels.begin(), filter.labels.end(), [&](const auto& wanted) {
        const auto it = view.labels.find(wanted.first);
        return it != view.labels.end() && it->second == wanted.second;
    });
}

failure read_failure(runtime::error_code why) {
    if (why == storage::archive_errc::corrupt) return archive_failure(why);
    failure out;
    out.code = failure_code::overloaded;
    out.detail = "the events cannot be read now: " + why.message();
    out.retry_after_s = 1;
    return out;
}

failure not_finished() {
    failure out;
    out.code = failure_code::not_finished;
    out.detail = "the execution has not ended";
    return out;
}

// Numbers are from 1.
bool has_artifact(const verdict_view& verdict, std::uint32_t number) {
    return number >= 1 && number <= verdict.artifacts.size() &&
           verdict.artifacts[number - 1].fault == artifact_fault::none;
}

// Collects the bytes of the last attempt's streams.
void collect(result_view& out, const history::events& events, std::uint32_t last_attempt) {
    for (const auto& one : events) {
        if (one->type != event_type::execution_output || one->attempt != last_attempt) continue;
        auto& stream_bytes = one->stream == stream::standard_output ? out.standard_output : out.standard_error;
        stream_bytes += one->bytes;
    }
}

// A cursor over an execution that the owner still knows.
class live_subscription final : public subscription {
  public:
    live_subscription(shard_state& state, std::shared_ptr<execution> e, std::uint32_t after)
        : state_(state), execution_(std::move(e)), cursor_(after) {
        ++execution_->followers;
    }
    live_subscription(const live_subscription&) = delete;
    live_subscription& operator=(const live_subscription&) = delete;
    ~live_subscription() override { --execution_->followers; }

    task<outcome<batch>> next(std::size_t bytes_max, runtime::steady_time deadline) override {
        batch out;
        while (true) {
            auto events = co_await state_.history.read(execution_, cursor_, bytes_max);
            if (!events) co_return read_failure(events.error());
            if (!events->empty()) {
                cursor_ = events->back()->number;
                out.end = is_terminal(events->back()->type);
                out.events = std::move(*events);
                co_return out;
            }
            if (execution_->is_ended() && cursor_ == execution_->last_event) {
                out.end = true;
                co_return out;
            }
            if (cursor_ < execution_->last_event) {
                // The next event was appended but is not durable yet. A full disk heals; the stream waits through it.
                const auto why = state_.journal.health();
                if (why && why != storage::log_errc::no_space) co_return storage_failure(why);
                state_.transitions.announce(execution_);
            }
            const bool changed = co_await execution_->changed.wait_until(deadline);
            if (!changed) co_return out;
        }
    }

  private:
    shard_state& state_;
    std::shared_ptr<execution> execution_;
    std::uint32_t cursor_;
};

// A cursor over an execution that only the archive knows.
class archived_subscription final : public subscription {
  public:
    archived_subscription(shard_state& state, execution_id id, std::uint32_t after, std::uint32_t last)
        : state_(state), id_(id), cursor_(after), last_(last) {}

    task<outcome<batch>> next(std::size_t bytes_max, runtime::steady_time) override {
        batch out;
        auto events = co_await state_.history.read_archived(id_, cursor_, bytes_max);
        if (!events) co_return read_failure(events.error());
        if (!events->empty()) cursor_ = events->back()->number;
        out.end = events->empty() || cursor_ == last_;
        out.events = std::move(*events);
        co_return out;
    }

  private:
    shard_state& state_;
    execution_id id_;
    std::uint32_t cursor_;
    std::uint32_t last_;
};

}  // namespace

task<outcome<execution_view>> engine_service::find(principal who, execution_id id) {
    return at_home(owner_of(id), &engine_service::find_here, std::move(who), id);
}

task<outcome<execution_view>> engine_service::find_here(principal who, execution_id id) {
    const auto e = open_one(who, id);
    if (!e) {
        const auto gone = co_await archived(std::move(who), id);
        if (!gone) co_return gone.error();
        co_return view_of(id, *gone);
    }
    execution_view view = e->view();
    view.queue_position = saga_.queue_position(*e);
    const auto committed = co_await after_commit(e);
    if (!committed) co_return committed.error();
    co_return view;
}

task<outcome<std::optional<result_view>>> engine_service::result_in_time(principal who, execution_id id,
                                                                         runtime::steady_time deadline) {
    return at_home(owner_of(id), &engine_service::result_in_time_here, std::move(who), id, deadline);
}

task<outcome<std::optional<result_view>>> engine_service::result_in_time_here(principal who, execution_id id,
                                                                              runtime::steady_time deadline) {
    std::optional<result_view> out;
    if (const auto e = open_one(who, id)) {
        while (!e->is_ended()) {
            const bool changed = co_await e->changed.wait_until(deadline);
            if (!changed || state_.journal.health() || (draining_ && stop_.stop_requested())) co_return out;
        }
    }
    auto view = co_await result_here(std::move(who), id);
    if (!view) co_return view.error();
    out = std::move(*view);
    co_return out;
}

task<outcome<result_view>> engine_service::result_of(principal who, execution_id id) {
    return at_home(owner_of(id), &engine_service::result_here, std::move(who), id);
}

task<outcome<result_view>> engine_service::result_here(principal who, execution_id id) {
    result_view out;
    out.id = id;
    const auto e = open_one(who, id);
    std::uint32_t attempt = 1;
    std::uint32_t last_event = 0;
    if (e) {
        if (!e->is_ended()) {
            co_return not_finished();
        }
        if (!is_committed(*e)) {
            const auto committed = co_await after_commit(e);
            if (!committed) co_return committed.error();
        }
        out.verdict = *e->verdict;
        out.lang = e->spec.lang;
        out.lang_version = e->spec.lang_version;
        out.priority = e->spec.priority;
        attempt = e->attempt;
        last_event = e->last_event;
    } else {
        auto gone = co_await archived(who, id);
        if (!gone) co_return gone.error();
        out.lang = gone->lang;
        out.lang_version = gone->lang_version;
        out.priority = gone->priority;
        attempt = gone->attempt;
        last_event = gone->last_event;
        out.verdict = std::move(gone->verdict);
    }
    std::uint32_t cursor = 0;
    while (true) {
        if (e) cursor = state_.history.before_next_output(*e, cursor);
        if (cursor >= last_event) break;
        runtime::result<history::events> events = history::events();
        if (e) {
            events = co_await state_.history.read(e, cursor, result_read_bytes);
        } else {
            events = co_await state_.history.read_archived(id, cursor, result_read_bytes);
        }
        if (!events) co_return read_failure(events.error());
        if (events->empty() && !e) co_return co_await vanished(std::move(who), id);
        if (events->empty()) break;
        collect(out, *events, attempt);
        cursor = events->back()->number;
    }
    co_return out;
}

task<outcome<std::string>> engine_service::artifact_of(principal who, execution_id id, std::uint32_t number) {
    return at_home(owner_of(id), &engine_service::artifact_here, std::move(who), id, number);
}

task<outcome<std::string>> engine_service::artifact_here(principal who, execution_id id, std::uint32_t number) {
    failure absent;
    absent.code = failure_code::not_found;
    absent.detail = "there is no such artifact";
    if (const auto e = open_one(who, id)) {
        if (!e->is_ended()) co_return not_finished();
        const auto committed = co_await after_commit(e);
        if (!committed) co_return committed.error();
        if (!has_artifact(*e->verdict, number)) co_return absent;
        auto bytes = co_await state_.history.artifact(e, number - 1);
        if (bytes) co_return std::move(*bytes);
        // Handed over while we read: the log may have let its bytes go.
        if (!e->in_archive) co_return read_failure(bytes.error());
    }
    const auto gone = co_await archived(who, id);
    if (!gone) co_return gone.error();
    if (!has_artifact(gone->verdict, number)) co_return absent;
    const std::uint64_t size = gone->verdict.artifacts[number - 1].bytes;
    auto bytes = co_await state_.history.archived_artifact(id, number - 1, size);
    if (bytes) co_return std::move(*bytes);
    if (bytes.error() == storage::archive_errc::corrupt) co_return co_await vanished(std::move(who), id);
    co_return read_failure(bytes.error());
}

// Why the archive has no more events of an execution whose summary it had: retention came in between, or damage.
task<failure> engine_service::vanished(principal who, execution_id id) {
    const auto there = co_await archived(std::move(who), id);
    if (!there) co_return there.error();
    co_return archive_failure(storage::archive_errc::corrupt);
}

task<std::vector<execution_view>> engine_service::list_here(principal who, list_filter filter,
                                                            std::optional<execution_id> below, std::size_t limit) {
    std::vector<std::shared_ptr<execution>> found;
    const auto visit = [&](const std::shared_ptr<execution>& e) {
        if (e->belongs_to(who) && matches(filter, e->view())) found.push_back(e);
        return found.size() < limit;
    };
    state_.table.newest_first(below, visit);
    std::vector<execution_view> out;
    for (const auto& e : found) {
        execution_view view = e->view();
        view.queue_position = saga_.queue_position(*e);
        // What cannot become durable now is not shown.
        const auto committed = co_await after_commit(e);
        if (committed) out.push_back(std::move(view));
    }
    co_return out;
}

task<outcome<list_page>> engine_service::list(principal who, list_filter filter, std::optional<execution_id> below,
                                              std::size_t limit) {
    list_page page;
    // A source that filled its page may have more right below its last item: nothing below that belongs to this page.
    std::optional<execution_id> frontier;
    const auto source_was_full = [&](execution_id last) {
        if (!frontier || *frontier < last) frontier = last;
    };
    for (std::size_t i = 0; i < map_.shards.size(); ++i) {
        auto there = [home = map_.engines[i], who, filter, below, limit] {
            return home->list_here(who, filter, below, limit);
        };
        auto some = co_await runtime::submit(*map_.shards[i], std::move(there));
        if (some.size() >= limit) source_was_full(some.back().id);
        std::move(some.begin(), some.end(), std::back_inserter(page.items));
    }
    if (!filter.only_status || is_terminal(*filter.only_status)) {
        const auto user = who.admin ? runtime::uuid{} : who.user_id;
        const auto documents = co_await state_.archive.list(who.tenant_id, user, below, limit);
        if (!documents) co_return read_failure(documents.error());
        if (documents->size() >= limit) source_was_full(documents->back().id);
        for (const auto& document : *documents) {
            const auto decoded = decode_summary(document.summary);
            if (!decoded) co_return archive_failure(storage::archive_errc::corrupt);
            auto view = view_of(document.id, *decoded);
            if (matches(filter, view)) page.items.push_back(std::move(view));
        }
    }
    std::sort(page.items.begin(), page.items.end(),
              [](const execution_view& a, const execution_view& b) { return b.id < a.id; });
    const auto same = [](const execution_view& a, const execution_view& b) { return a.id == b.id; };
    page.items.erase(std::unique(page.items.begin(), page.items.end(), same), page.items.end());
    if (frontier) std::erase_if(page.items, [&](const execution_view& v) { return v.id < *frontier; });
    page.next = frontier;
    if (page.items.size() > limit) {
        page.items.resize(limit);
        page.next = page.items.back().id;
    }
    co_return page;
}

task<outcome<std::unique_ptr<subscription>>> engine_service::subscribe(principal who, execution_id id,
                                                                       std::uint32_t after) {
    const auto e = open_one(who, id);
    std::uint32_t last = 0;
    bool ended = true;
    if (e) {
        last = e->last_event;
        ended = e->is_ended();
    } else {
        const auto gone = co_await archived(std::move(who), id);
        if (!gone) co_return gone.error();
        last = gone->last_event;
    }
    if (after > last) {
        failure beyond;
        beyond.code = failure_code::bad_event_number;
        beyond.detail = "the last event is number " + std::to_string(last);
        co_return beyond;
    }
    std::unique_ptr<subscription> cursor;
    if (ended && after == last) co_return cursor;
    if (e) {
        cursor = std::make_unique<live_subscription>(state_, e, after);
    } else {
        cursor = std::make_unique<archived_subscription>(state_, id, after, last);
    }
    co_return cursor;
}

}  // namespace pipeline
