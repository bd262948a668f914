#include "storage/simulated/archive.hpp"

#include <map>
#include <set>

#include "runtime/base/marks.hpp"
#include "runtime/gate.hpp"
#include "runtime/shard.hpp"

namespace storage::simulated {
namespace {

using runtime::execution_id;
using runtime::result;
using runtime::task;
using runtime::uuid;

struct stored_document {
    document what;
    std::uint64_t sequence = 0;
};

struct unconfirmed_put {
    std::uint64_t sequence = 0;
    runtime::shard* home = nullptr;
    std::shared_ptr<std::size_t> on_their_way;  // confirmations that the shard has not seen yet
    runtime::unique_function<void()> on_durable;
};

void confirm(unconfirmed_put put) {
    if (!put.on_durable) return;
    ++*put.on_their_way;
    runtime::shard& home = *put.home;
    home.post([put = std::move(put)]() mutable {
        --*put.on_their_way;
        put.on_durable();
    });
}

}  // namespace

struct archive_service::state : std::enable_shared_from_this<state> {
    state(runtime::simulation::world& w, archive_behaviour b) : world(w), behaviour(b), random(w.random().split()) {}

    runtime::simulation::world& world;
    archive_behaviour behaviour;
    runtime::random_source random;
    std::map<execution_id, stored_document> documents;
    std::set<std::pair<uuid, execution_id>> by_tenant;
    std::set<std::pair<runtime::utc_time, execution_id>> by_end;
    std::uint64_t bytes = 0;
    // Removed, and a crash brings them back until a flush has passed.
    std::vector<std::pair<std::uint64_t, stored_document>> removed;
    std::deque<unconfirmed_put> unconfirmed;
    std::uint64_t last_sequence = 0;
    std::uint64_t durable_through = 0;
    std::uint64_t generation = 0;  // rises with every crash; what was planned before it does not happen
    bool flush_planned = false;

    runtime::nanoseconds between(runtime::nanoseconds low, runtime::nanoseconds high) {
        if (high <= low) return low;
        return low + runtime::nanoseconds(random.below(static_cast<std::uint64_t>((high - low).count())));
    }
    runtime::nanoseconds delay() { return between(behaviour.delay_min, behaviour.delay_max); }

    // Runs `what` later, unless a crash comes first.
    void later(runtime::nanoseconds delay, runtime::unique_function<void()> what) {
        world.after(delay, [self = shared_from_this(), at = generation, what = std::move(what)]() mutable {
            if (self->generation == at) what();
        });
    }

    void take(document each) {
        const execution_id id = each.id;
        std::erase_if(removed, [&](const auto& gone) { return gone.second.what.id == id; });
        const auto earlier = documents.find(id);
        WEIR_ALWAYS(!each.is_new || earlier == documents.end(), "what is said to be new was never put");
        if (earlier != documents.end()) unlist(earlier->second.what);
        auto& kept = documents[id];
        // The same content again: what is durable stays durable.
        const bool durable = kept.sequence != 0 && kept.sequence <= durable_through;
        if (!durable) kept.sequence = ++last_sequence;
        list(each);
        kept.what = std::move(each);
    }

    static std::uint64_t size_of(const document& of) {
        std::uint64_t sum = of.summary.size() + 256;
        for (const auto& chunk : of.chunks) sum += chunk.bytes.size() + 64;
        return sum;
    }
    void list(const document& of) {
        by_tenant.emplace(of.tenant, of.id);
        by_end.emplace(of.ended_at, of.id);
        bytes += size_of(of);
    }
    void unlist(const document& of) {
        by_tenant.erase({of.tenant, of.id});
        by_end.erase({of.ended_at, of.id});
        bytes -= size_of(of);
    }

    std::uint64_t* exceeded(retention_step& step, const retention_limits& limits, const document& oldest,
                            runtime::utc_time now) {
        const auto age_max_us = std::chrono::duration_cast<runtime::microseconds>(limits.age_max).count();
        const auto age_us = now.microseconds_since_epoch - oldest.ended_at.microseconds_since_epoch;
        if (age_max_us > 0 && age_us > age_max_us) return &step.by_age;
        if (limits.documents_max > 0 && documents.size() > limits.documents_max) return &step.by_count;
        if (limits.bytes_max > 0 && bytes > limits.bytes_max) return &step.by_bytes;
        return nullptr;
    }

    retention_step remove_oldest(const retention_limits& limits, runtime::utc_time now, std::size_t documents_max) {
        retention_step step;
        for (auto at = by_end.begin(); at != by_end.end();) {
            const auto found = documents.find(at->second);
            ++at;
            if (found->second.sequence > durable_through) continue;
            std::uint64_t* const why = exceeded(step, limits, found->second.what, now);
            if (why == nullptr) break;
            if (step.documents() == documents_max) {
                step.more = true;
                break;
            }
            ++*why;
            step.bytes += size_of(found->second.what);
            unlist(found->second.what);
            removed.emplace_back(++last_sequence, std::move(found->second));
            documents.erase(found);
        }
        if (step.documents() > 0) plan_flush();
        return step;
    }

    void plan_flush() {
        if (flush_planned) return;
        flush_planned = true;
        later(behaviour.flush_after, [this] { flush_now(); });
    }

    void flush_now() {
        const auto takes = between(runtime::microseconds(50), behaviour.flush_takes_max);
        later(takes, [this, through = last_sequence] { flushed(through); });
    }

    void flushed(std::uint64_t through) {
        flush_planned = false;
        if (behaviour.absent) {
            plan_flush();
            return;
        }
        durable_through = std::max(durable_through, through);
        std::erase_if(removed, [this](const auto& gone) { return gone.first <= durable_through; });
        while (!unconfirmed.empty() && unconfirmed.front().sequence <= durable_through) {
            auto confirmed = std::move(unconfirmed.front());
            unconfirmed.pop_front();
            confirm(std::move(confirmed));
        }
        if (!unconfirmed.empty()) plan_flush();
    }

    void crash() {
        ++generation;
        flush_planned = false;
        for (auto it = documents.begin(); it != documents.end();) {
            if (it->second.sequence <= durable_through) {
                ++it;
                continue;
            }
            unlist(it->second.what);
            it = documents.erase(it);
        }
        for (auto& [sequence, back] : removed) {
            list(back.what);
            const auto id = back.what.id;
            documents[id] = std::move(back);
        }
        removed.clear();
        // They belong to the killed process: kept unreached, as everything else of it.
        world.bury(std::make_shared<std::deque<unconfirmed_put>>(std::move(unconfirmed)));
        unconfirmed.clear();
    }
};

namespace {

using service_state = archive_service::state;

document_summary summary_of(const document& of) { return {of.id, of.tenant, of.user, of.summary}; }

// Shard: its owner only.
class simulated_archive final : public archive {
  public:
    simulated_archive(std::shared_ptr<service_state> service, runtime::shard& home)
        : service_(std::move(service)), home_(home), gate_(home) {}

    task<result<void>> put(std::vector<document> documents, runtime::unique_function<void()> on_durable) override {
        if (stopping_) co_return archive_errc::stopped;
        const runtime::gate::hold hold(gate_);
        co_await runtime::sleep_for(service_->delay());
        if (service_->behaviour.absent) co_return archive_errc::unavailable;
        if (service_->random.chance(service_->behaviour.refused)) co_return archive_errc::failed;
        for (auto& each : documents) service_->take(std::move(each));
        const bool fails = service_->random.chance(service_->behaviour.failed_but_taken);
        unconfirmed_put waiting;
        waiting.sequence = ++service_->last_sequence;
        waiting.home = &home_;
        waiting.on_their_way = on_their_way_;
        if (!fails) waiting.on_durable = std::move(on_durable);
        service_->unconfirmed.push_back(std::move(waiting));
        service_->plan_flush();
        if (fails) co_return archive_errc::failed;
        co_return result<void>();
    }

    task<result<std::optional<document_summary>>> find(execution_id id) override {
        const runtime::gate::hold hold(gate_);
        const auto ready = co_await reach();
        if (!ready) co_return ready.error();
        const auto found = service_->documents.find(id);
        if (found == service_->documents.end()) co_return std::optional<document_summary>();
        co_return std::optional<document_summary>(summary_of(found->second.what));
    }

    task<result<std::vector<document::chunk>>> events(execution_id id, std::uint32_t first_event,
                                                      std::size_t bytes_max) override {
        const runtime::gate::hold hold(gate_);
        const auto ready = co_await reach();
        if (!ready) co_return ready.error();
        std::vector<document::chunk> out;
        const auto found = service_->documents.find(id);
        if (found == service_->documents.end()) co_return out;
        const auto& chunks = found->second.what.chunks;
        std::size_t from = 0;
        while (from + 1 < chunks.size() && chunks[from + 1].first_event <= first_event) ++from;
        std::size_t bytes = 0;
        for (std::size_t i = from; i < chunks.size(); ++i) {
            bytes += chunks[i].bytes.size();
            if (!out.empty() && bytes > bytes_max) break;
            out.push_back(chunks[i]);
        }
        co_return out;
    }

    task<result<std::vector<document_summary>>> list(uuid tenant, uuid user, std::optional<execution_id> before,
                                                     std::size_t limit) override {
        const runtime::gate::hold hold(gate_);
        const auto ready = co_await reach();
        if (!ready) co_return ready.error();
        uuid last;
        last.bytes.fill(0xff);
        const execution_id below = before ? *before : execution_id(last);
        std::vector<document_summary> out;
        auto at = service_->by_tenant.lower_bound({tenant, below});
        while (at != service_->by_tenant.begin() && out.size() < limit) {
            --at;
            if (at->first != tenant) break;
            const document& each = service_->documents.at(at->second).what;
            if (user.is_nil() || each.user == user) out.push_back(summary_of(each));
        }
        co_return out;
    }

    task<result<retention_step>> remove_oldest(retention_limits limits, runtime::utc_time now,
                                               std::size_t documents_max) override {
        const runtime::gate::hold hold(gate_);
        const auto ready = co_await reach();
        if (!ready) co_return ready.error();
        co_return service_->remove_oldest(limits, now, documents_max);
    }

    archive_totals totals() const override { return {service_->documents.size(), service_->bytes}; }

    task<result<void>> flush() override {
        if (stopping_) co_return archive_errc::stopped;
        const runtime::gate::hold hold(gate_);
        co_return co_await flush_all();
    }

    task<void> stop() override {
        if (!stopping_) {
            stopping_ = true;
            static_cast<void>(co_await flush_all());
        }
        co_await gate_.close();
    }

  private:
    // Every read begins with it: how long the way is, and whether anybody is there.
    task<result<void>> reach() {
        if (stopping_) co_return archive_errc::stopped;
        co_await runtime::sleep_for(service_->delay());
        if (service_->behaviour.absent) co_return archive_errc::unavailable;
        if (service_->random.chance(service_->behaviour.read_failed)) co_return archive_errc::failed;
        co_return result<void>();
    }

    task<result<void>> flush_all() {
        const std::uint64_t through = service_->last_sequence;
        service_->flush_now();
        while (service_->durable_through < through || *on_their_way_ > 0) {
            if (service_->behaviour.absent) co_return archive_errc::unavailable;
            co_await runtime::sleep_for(runtime::milliseconds(1));
        }
        co_return result<void>();
    }

    std::shared_ptr<service_state> service_;
    runtime::shard& home_;
    std::shared_ptr<std::size_t> on_their_way_ = std::make_shared<std::size_t>(0);
    bool stopping_ = false;
    runtime::gate gate_;
};

}  // namespace

archive_service::archive_service(runtime::simulation::world& world, archive_behaviour behaviour)
    : state_(std::make_shared<state>(world, behaviour)) {}

std::unique_ptr<archive> archive_service::open_shard(runtime::shard& home) {
    return std::make_unique<simulated_archive>(state_, home);
}

void archive_service::crash() { state_->crash(); }
archive_behaviour& archive_service::behaviour() { return state_->behaviour; }
std::size_t archive_service::documents() const { return state_->documents.size(); }

std::size_t archive_service::durable_documents() const {
    std::size_t count = 0;
    for (const auto& [id, kept] : state_->documents) count += kept.sequence <= state_->durable_through ? 1 : 0;
    return count;
}

}  // namespace storage::simulated
