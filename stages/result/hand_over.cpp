#include "stages/result/hand_over.hpp"

#include "runtime/base/marks.hpp"
#include "runtime/base/planted_bug.hpp"
#include "runtime/idle.hpp"
#include "runtime/spawn.hpp"
#include "stages/result/documents.hpp"

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

}  // namespace

hand_over::hand_over(pipeline::shard_state& state, hand_over_limits limits)
    : state_(state), limits_(limits), added_(state.home), gate_(state.home) {}

void hand_over::start() { runtime::spawn(gate_, state_.home, run()); }

void hand_over::add(std::shared_ptr<execution> e) {
    e->waits_for = pipeline::pending::archive;
    waiting_.push_back(std::move(e));
    added_.notify_all();
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

task<bool> hand_over::put_batch() {
    std::vector<std::shared_ptr<execution>> taken;
    std::vector<storage::document> documents;
    std::size_t bytes = 0;
    while (taken.size() < waiting_.size() && documents.size() < limits_.documents_max && bytes < limits_.bytes_max) {
        auto e = waiting_[taken.size()];
        auto document = co_await make_document(e);
        if (!document) co_return false;
        bytes += size_of(*document);
        documents.push_back(std::move(*document));
        taken.push_back(std::move(e));
    }
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

task<void> hand_over::run() {
    while (true) {
        if (waiting_.empty()) {
            if (stop_.stop_requested()) co_return;
            co_await added_.wait();
            continue;
        }
        if (waiting_.size() < limits_.documents_max) co_await runtime::until_idle(state_.home, limits_.gather_max);
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
    co_await gate_.close();
    // Without an answer the next start hands these over again.
    [[maybe_unused]] const auto flushed = co_await state_.archive.flush();
}

}  // namespace stages::result
