#include "storage/embedded/archive/shard_archive.hpp"

#include "runtime/base/assert.hpp"
#include "runtime/shard.hpp"
#include "runtime/spawn.hpp"

namespace storage::embedded {
namespace {

using runtime::result;
using runtime::task;

std::size_t size_of(const std::vector<document>& documents) {
    std::size_t bytes = 0;
    for (const auto& each : documents) {
        bytes += each.summary.size() + 256;  // the keys and RocksDB's own bookkeeping, about
        for (const auto& chunk : each.chunks) bytes += chunk.bytes.size() + 64;
    }
    return bytes;
}

}  // namespace

shard_archive::shard_archive(archive_store& store, runtime::shard& home)
    : store_(store),
      home_(home),
      link_(std::make_shared<front_link>(home, *this)),
      confirmed_through_(store.fronts_->join(link_)),
      waiting_limit_(home.metrics().declare_limit("archive.waiting_bytes_max")),
      unconfirmed_limit_(home.metrics().declare_limit("archive.unconfirmed_puts_max")),
      documents_(home.metrics().make_counter("weir_archive_documents_total", "Documents that the archive has taken.")),
      failed_puts_(home.metrics().make_counter("weir_archive_failed_puts_total",
                                               "Groups of documents that the archive failed to take.")),
      damaged_reads_(home.metrics().make_counter("weir_archive_damaged_reads_total",
                                                 "Reads that met a damaged or missing part of the archive.")),
      progressed_(home),
      gate_(home) {
    auto& unconfirmed = home.metrics().make_gauge("weir_archive_unconfirmed_puts",
                                                  "Calls whose documents wait for a flush of the archive.");
    auto& waiting = home.metrics().make_gauge("weir_archive_waiting_bytes",
                                              "Bytes of documents that wait to be taken by the archive.");
    gauges_ = home.metrics().on_collect([this, &unconfirmed, &waiting] {
        unconfirmed.set(static_cast<double>(unconfirmed_puts_));
        waiting.set(static_cast<double>(queued_bytes_));
    });
}

shard_archive::~shard_archive() {
    store_.fronts_->leave(link_);
    link_->front = nullptr;
    if (timer_) home_.timers().cancel(*timer_);
}

runtime::counter* shard_archive::full_limit(std::size_t bytes) const {
    const archive_options& limits = store_.options_;
    if (queued_bytes_ > 0 && queued_bytes_ + bytes > limits.waiting_bytes_max) return &waiting_limit_;
    if (unconfirmed_puts_ + queue_.size() >= limits.unconfirmed_puts_max) return &unconfirmed_limit_;
    return nullptr;
}

void shard_archive::refuse(runtime::counter& limit) {
    limit.add();
    ++store_.counters_.refused_busy;
    // One flush at a time makes room; more of them would only leave small files.
    if (confirmed_through_ >= awaited_flush_) flush_soon();
}

task<result<void>> shard_archive::put(std::vector<document> documents, runtime::unique_function<void()> on_durable) {
    if (stopping_) co_return archive_errc::stopped;
    const runtime::gate::hold hold(gate_);
    const std::size_t bytes = size_of(documents);
    if (runtime::counter* const limit = full_limit(bytes)) {
        refuse(*limit);
        co_return archive_errc::busy;
    }
    auto mine = std::make_shared<waiting_put>(home_);
    mine->documents = std::move(documents);
    mine->on_durable = std::move(on_durable);
    mine->bytes = bytes;
    mine->number = ++last_number_;
    queued_bytes_ += bytes;
    queue_.push_back(mine);
    if (!writing_) {
        writing_ = true;
        runtime::spawn(gate_, home_, write_queue());
    }
    while (!mine->outcome) co_await mine->done.wait();
    co_return *mine->outcome;
}

task<void> shard_archive::write_queue() {
    while (!queue_.empty()) {
        const put_group group = take_group();
        std::vector<const document*> documents;
        for (const auto& each : group)
            for (const auto& one : each->documents) documents.push_back(&one);
        auto write = [&database = *store_.database_, documents = std::move(documents)] {
            return database.write(documents);
        };
        const auto written = co_await runtime::offload(std::move(write));
        finish_group(group, written);
    }
    writing_ = false;
}

shard_archive::put_group shard_archive::take_group() {
    put_group group;
    std::size_t bytes = 0;
    while (!queue_.empty()) {
        const std::size_t next = queue_.front()->bytes;
        if (!group.empty() && bytes + next > store_.options_.group_bytes_max) break;
        bytes += next;
        group.push_back(std::move(queue_.front()));
        queue_.pop_front();
    }
    return group;
}

void shard_archive::finish_group(const put_group& group, const result<archive_sequence>& written) {
    unconfirmed_group confirm_later;
    for (const auto& each : group) {
        queued_bytes_ -= each->bytes;
        written_number_ = each->number;
        if (written) {
            store_.counters_.documents += each->documents.size();
            documents_.add(each->documents.size());
            confirm_later.on_durable.push_back(std::move(each->on_durable));
            each->outcome.emplace();
        } else {
            each->outcome.emplace(written.error());
        }
        each->done.notify_all();
    }
    progressed_.notify_all();
    if (!written) {
        failed_puts_.add();
        // RocksDB stays stopped after a failure of its own threads until it is told to try again.
        flush_by(now() + store_.options_.retry_after);
        return;
    }
    ++store_.counters_.groups;
    unconfirmed_puts_ += confirm_later.on_durable.size();
    confirm_later.sequence = *written;
    confirm_later.flush_at = now() + store_.options_.flush_after;
    unconfirmed_.push_back(std::move(confirm_later));
    flush_by(unconfirmed_.front().flush_at);
    // The flush that covers the group may have come before its end was seen here. Not from inside: the callers of put()
    // go first.
    if (store_.fronts_->durable_through() >= *written) {
        home_.post([link = link_, through = *written] {
            if (link->front != nullptr) link->front->confirm(through);
        });
    }
}

void shard_archive::flush_by(runtime::steady_time deadline) {
    if (stopping_ || flush_in_flight_) return;
    if (timer_) {
        if (timer_->deadline <= deadline) return;
        home_.timers().cancel(*timer_);
    }
    timer_ = home_.timers().add(deadline, [this] {
        timer_.reset();
        flush_soon();
    });
}

void shard_archive::flush_soon() {
    if (flush_in_flight_) return;
    flush_in_flight_ = runtime::spawn(gate_, home_, start_flush());
}

task<void> shard_archive::start_flush() {
    if (timer_) home_.timers().cancel(*timer_);
    timer_.reset();
    // Refused is begun again. Not with a wait: the threads for what blocks are few, and the log needs them too.
    auto start = [&database = *store_.database_] {
        return database.start_flush(archive_database::when_crowded::refuse);
    };
    const auto started = co_await runtime::offload(std::move(start));
    flush_in_flight_ = false;
    if (started) awaited_flush_ = *started;
    // Its completion is told by confirm(), its failure by note_failure(); if neither comes, it is begun again.
    const auto again = started ? store_.options_.flush_after : store_.options_.retry_after;
    if (!unconfirmed_.empty()) flush_by(now() + again);
}

void shard_archive::confirm(archive_sequence through) {
    if (through <= confirmed_through_ && (unconfirmed_.empty() || unconfirmed_.front().sequence > through)) return;
    confirmed_through_ = std::max(confirmed_through_, through);
    while (!unconfirmed_.empty() && unconfirmed_.front().sequence <= through) {
        auto group = std::move(unconfirmed_.front());
        unconfirmed_.pop_front();
        unconfirmed_puts_ -= group.on_durable.size();
        store_.counters_.confirmed_puts += group.on_durable.size();
        for (auto& call : group.on_durable)
            if (call) call();
    }
    if (timer_) {
        home_.timers().cancel(*timer_);
        timer_.reset();
    }
    if (!unconfirmed_.empty()) flush_by(unconfirmed_.front().flush_at);
    progressed_.notify_all();
}

void shard_archive::note_failure(runtime::error_code why) {
    ++failures_;
    last_failure_ = why;
    progressed_.notify_all();
    if (!unconfirmed_.empty()) flush_by(now() + store_.options_.retry_after);
}

task<result<void>> shard_archive::flush_all() {
    const std::uint64_t taken = last_number_;
    while (written_number_ < taken) co_await progressed_.wait();
    const std::uint64_t failures = failures_;
    auto start = [&database = *store_.database_] { return database.start_flush(archive_database::when_crowded::wait); };
    const auto started = co_await runtime::offload(std::move(start));
    if (!started) co_return started.error();
    while (confirmed_through_ < *started) {
        if (failures_ != failures) co_return last_failure_;
        co_await progressed_.wait();
    }
    co_return result<void>();
}

task<result<void>> shard_archive::flush() {
    if (stopping_) co_return archive_errc::stopped;
    const runtime::gate::hold hold(gate_);
    co_return co_await flush_all();
}

task<void> shard_archive::stop() {
    if (!stopping_) {
        stopping_ = true;
        // What a failing archive cannot confirm stays with its owner; the failure is counted where it happened.
        static_cast<void>(co_await flush_all());
        if (timer_) home_.timers().cancel(*timer_);
        timer_.reset();
    }
    co_await gate_.close();
    unconfirmed_.clear();
}

task<result<retention_step>> shard_archive::remove_oldest(retention_limits limits, runtime::utc_time now,
                                                          std::size_t documents_max) {
    if (stopping_) co_return archive_errc::stopped;
    const runtime::gate::hold hold(gate_);
    auto remove = [&store = store_, limits, now, documents_max] {
        return store.database_->remove_oldest(limits, now, documents_max, store.fronts_->durable_through());
    };
    const auto step = co_await runtime::offload(std::move(remove));
    // Removing becomes durable with the next flush; one comes by itself only where documents come.
    if (step && step->documents() > 0) flush_by(this->now() + store_.options_.flush_after);
    co_return step;
}

template <class T>
result<T> shard_archive::count_damage(result<T> read) {
    if (read.has_error() && read.error() == archive_errc::corrupt) damaged_reads_.add();
    return read;
}

archive_totals shard_archive::totals() const { return store_.database_->totals(); }

task<result<std::optional<document_summary>>> shard_archive::find(runtime::execution_id id) {
    if (stopping_) co_return archive_errc::stopped;
    const runtime::gate::hold hold(gate_);
    auto read = [&database = *store_.database_, id] { return database.find(id); };
    co_return count_damage(co_await runtime::offload(std::move(read)));
}

task<result<std::vector<document::chunk>>> shard_archive::events(runtime::execution_id id, std::uint32_t first_event,
                                                                 std::size_t bytes_max) {
    if (stopping_) co_return archive_errc::stopped;
    const runtime::gate::hold hold(gate_);
    auto read = [&database = *store_.database_, id, first_event, bytes_max] {
        return database.events(id, first_event, bytes_max);
    };
    co_return count_damage(co_await runtime::offload(std::move(read)));
}

task<result<std::vector<document_summary>>> shard_archive::list(runtime::uuid tenant, runtime::uuid user,
                                                                std::optional<runtime::execution_id> before,
                                                                std::size_t limit) {
    if (stopping_) co_return archive_errc::stopped;
    const runtime::gate::hold hold(gate_);
    auto read = [&database = *store_.database_, tenant, user, before, limit] {
        return database.list(tenant, user, before, limit);
    };
    co_return count_damage(co_await runtime::offload(std::move(read)));
}

}  // namespace storage::embedded
