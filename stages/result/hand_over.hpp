// The result stage: an execution that has ended becomes a document of the archive. Until the archive has confirmed that
// it is durable, the log keeps its records.
#pragma once

#include <deque>
#include <stop_token>

#include "pipeline/shard_state.hpp"
#include "runtime/gate.hpp"

namespace stages::result {

// What one call to the archive may carry.
struct hand_over_limits {
    std::size_t documents_max = 256;
    std::size_t bytes_max = 8 << 20;  // of one call; a single larger document goes alone
    // What is handed over is gathered until there is so much of it, or for so long: nobody waits for it, and a call
    // costs more than a document.
    std::size_t gather_documents_max = 128;  // at most documents_max
    runtime::milliseconds gather_max{20};
    std::size_t reads_at_once = 16;  // of the log, for those that are no longer in memory
};

// Shard: its owner only. An absent archive delays nobody's result: what waits here is still answered from memory and
// log.
class hand_over {
  public:
    explicit hand_over(pipeline::shard_state& state, hand_over_limits limits = {});

    void start();
    // `e` has ended and its last record is durable.
    void add(std::shared_ptr<pipeline::execution> e);
    // Hands over what waits, then flushes the archive.
    runtime::task<void> stop();

    [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
    // Taken by the archive, not confirmed yet.
    [[nodiscard]] std::size_t unconfirmed() const { return unconfirmed_; }

  private:
    runtime::task<void> run();
    runtime::task<void> gather();
    struct batch;
    runtime::task<bool> put_batch();
    runtime::task<void> fill(batch& of, bool may_read);
    runtime::task<void> fill_by_reading(batch& of);
    runtime::task<runtime::result<storage::document>> make_document(std::shared_ptr<pipeline::execution> e);

    pipeline::shard_state& state_;
    hand_over_limits limits_;
    std::deque<std::shared_ptr<pipeline::execution>> waiting_;
    std::size_t unconfirmed_ = 0;
    std::stop_source stop_;
    runtime::event added_;
    runtime::event gathered_;
    runtime::counter& full_;  // calls that had gather_documents_max before gather_max was over
    runtime::gate gate_;
};

}  // namespace stages::result
