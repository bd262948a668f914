#include "stages/result/hand_over.hpp"

#include <algorithm>
#include <optional>

#include "pipeline/snapshots.hpp"
#include "runtime/base/assert.hpp"
#include "runtime/base/marks.hpp"
#include "runtime/base/planted_bug.hpp"
#include "runtime/spawn.hpp"
#include "stages/result/documents.hpp"
#include "stages/worker/output_framer.hpp"

namespace stages::result {

using pipeline::execution;
using runtime::task;

namespace {

constexpr runtime::milliseconds retry_pause{200};

std::size_t size_of(const storage::document& document) {
    std::size_t bytes = document.summary.size();
    for (const auto& chunk : document.chunks) bytes += chunk.bytes.size();
    return bytes;
}

// All that its document is made of.
bool is_in_memory(const execution& e) {
    const auto is_blob = [](const pipeline::payload_bytes* payload) { return payload->is_blob(); };
    const auto is_kept = [](const auto& place) { return place.kept != nullptr; };
    return e.artifacts.empty() && std::ranges::none_of(e.spec.payloads(), is_blob) &&
           std::ranges::all_of(e.places, is_kept);
}

// No less than its document will take. A record that is not in memory may be as large as one of output for each of its
// events, and no larger than a snapshot's that puts several together.
std::size_t expected_size(const execution& e) {
    const std::size_t part_bytes = pipeline::snapshot_options().part_bytes_max;
    std::size_t bytes = 0;
    for (const auto& place : e.places) {
        const std::size_t events = std::max<std::size_t>(1, place.event_count);
        bytes += place.kept ? place.kept->record.payload.size()
                            : std::min(events * worker::output_frame_bytes_max, part_bytes);
    }
    for (const auto* payload : e.spec.payloads()) bytes += payload->blob.bytes;
    for (const auto& artifact : e.artifacts)
        for (const auto& piece : artifact) bytes += piece.inline_bytes.size() + piece.blob.bytes;
    return bytes;
}

}  // namespace

hand_over::hand_over(pipeline::shard_state& state, hand_over_limits limits)
    : state_(state),
      limits_(limits),
      added_(state.home),
      gathered_(state.home),
      full_(state.home.metrics().declare_limit("archive.gather_documents_max")),
      gate_(state.home) {
    WEIR_ASSERT(limits.gather_documents_max <= limits.documents_max);
}

void hand_over::start() { runtime::spawn(gate_, state_.home, run()); }

void hand_over::add(std::shared_ptr<execution> e) {
    e->waits_for = pipeline::pending::archive;
    waiting_.push_back(std::move(e));
    if (waiting_.size() == 1) added_.notify_all();
    if (waiting_.size() >= limits_.gather_documents_max) gathered_.notify_all();
}

task<runtime::result<storage::document>> hand_over::make_document(std::shared_ptr<execution> e) {
    auto records = co_await state_.history.records(e);
    if (!records) co_return records.error();
    std::vector<std::string> artifacts;
    for (std::size_t i = 0; i < e->artifacts.size(); ++i) {
        auto bytes = co_await state_.history.artifact(e, i);
        if (!bytes) co_return bytes.error();
        artifacts.push_back(std::move(*bytes));
    }
    co_return document_of(*e, std::move(*records), artifacts);
}

// Documents of those that have waited longest, in order.
struct hand_over::batch {
    std::vector<std::optional<storage::document>> documents;
    std::size_t next = 0;
    std::size_t bytes = 0;
    // Of those that are being read: what they may become, so that side by side they take no more memory than in turn.
    std::size_t expected_bytes = 0;
    bool failed = false;
    runtime::event was_read;
};

// One after the other, until there are enough or, if it is not to read, until one has to be read.
task<void> hand_over::fill(batch& of, bool may_read) {
    while (!of.failed && of.next < of.documents.size() && of.bytes < limits_.bytes_max) {
        const auto e = waiting_[of.next];
        if (!may_read && !is_in_memory(*e)) co_return;
        if (of.expected_bytes > 0 && of.bytes + of.expected_bytes >= limits_.bytes_max) {
            co_await of.was_read.wait();
            continue;
        }
        auto& place = of.documents[of.next++];
        const std::size_t expected = may_read ? expected_size(*e) : 0;
        of.expected_bytes += expected;
        auto document = co_await make_document(e);
        of.expected_bytes -= expected;
        if (document) {
            of.bytes += size_of(*document);
            place = std::move(*document);
        } else {
            of.failed = true;
        }
        of.was_read.notify_all();
    }
}

// After a start nothing is in memory, and reads that wait for one another would take minutes.
task<void> hand_over::fill_by_reading(batch& of) {
    runtime::gate readers(state_.home);
    for (std::size_t i = 0; i < limits_.reads_at_once; ++i) runtime::spawn(readers, state_.home, fill(of, true));
    co_await readers.close();
    WEIR_SOMETIMES(of.next > 1, "documents were read from the log side by side");
}

task<bool> hand_over::put_batch() {
    batch made{.was_read = runtime::event(state_.home)};
    made.documents.resize(std::min(waiting_.size(), limits_.documents_max));
    co_await fill(made, false);
    if (made.next < made.documents.size() && made.bytes < limits_.bytes_max) co_await fill_by_reading(made);
    if (made.failed) co_return false;
    std::vector<std::shared_ptr<execution>> taken(waiting_.begin(),
                                                  waiting_.begin() + static_cast<std::ptrdiff_t>(made.next));
    std::vector<storage::document> documents;
    documents.reserve(made.next);
    for (std::size_t i = 0; i < made.next; ++i) documents.push_back(std::move(*made.documents[i]));
    // Whether the archive took them is not known where it does not answer well.
    for (const auto& e : taken) e->is_new = false;
    // Until then only where they begin is kept of them.
    std::vector<std::pair<runtime::partition_id, storage::offset>> pins;
    pins.reserve(taken.size());
    for (const auto& e : taken) pins.emplace_back(e->partition, e->first_offset);
    runtime::unique_function<void()> confirmed = [this, pins = std::move(pins)] {
        unconfirmed_ -= pins.size();
        for (const auto& [partition, first] : pins) state_.journal.unpin(partition, first);
    };
    unconfirmed_ += taken.size();
    if (runtime::planted(runtime::planted_bug::gone_before_archived)) {
        confirmed();
        confirmed = [] {};
    }
    const auto put = co_await state_.archive.put(std::move(documents), std::move(confirmed));
    if (!put) {
        WEIR_SOMETIMES(true, "the archive took no documents");
        unconfirmed_ -= taken.size();
        co_return false;
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(taken.size()));
    WEIR_SOMETIMES(taken.size() > 1, "several executions were handed over at once");
    for (const auto& e : taken) {
        e->in_archive = true;
        state_.table.erase(e->id);
    }
    co_return true;
}

task<void> hand_over::gather() {
    const auto deadline = state_.home.time().steady() + limits_.gather_max;
    while (waiting_.size() < limits_.gather_documents_max && !stop_.stop_requested())
        if (!co_await gathered_.wait_until(deadline)) co_return;
    if (waiting_.size() >= limits_.gather_documents_max) full_.add();
}

task<void> hand_over::run() {
    while (true) {
        if (waiting_.empty()) {
            if (stop_.stop_requested()) co_return;
            co_await added_.wait();
            continue;
        }
        co_await gather();
        const bool taken = co_await put_batch();
        if (!taken) {
            if (stop_.stop_requested()) co_return;
            co_await runtime::sleep_for(retry_pause, stop_.get_token());
        }
    }
}

task<void> hand_over::stop() {
    stop_.request_stop();
    added_.notify_all();
    gathered_.notify_all();
    co_await gate_.close();
    // Without an answer the next start hands these over again.
    [[maybe_unused]] const auto flushed = co_await state_.archive.flush();
}

}  // namespace stages::result
