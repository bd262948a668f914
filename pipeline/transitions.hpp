// The ways in which an execution changes: each appends one record and folds it at once. Nothing leaves the partition
// before the record is durable; see journal.
#pragma once

#include <array>
#include <memory>

#include "pipeline/execution_table.hpp"
#include "pipeline/journal.hpp"
#include "storage/api/blobs.hpp"

namespace pipeline {

// Bytes of records that an execution keeps in memory for its subscribers; older ones are read from the log.
inline constexpr std::size_t window_bytes_max_default = 256 * 1024;

// Shard: its owner only. The tasks fail only when the log has failed for good: whoever gets an error stops and leaves
// the rest to the next start.
class transitions {
  public:
    transitions(runtime::shard& home, journal& journal, storage::blobs& blobs, execution_table& table,
                std::size_t window_bytes_max = window_bytes_max_default);

    // A new execution; it is not durable yet. Error: the log's (busy, no_space, write_failed).
    runtime::result<std::shared_ptr<execution>> accept(const principal& who, script_request request, execution_id id,
                                                       std::optional<key_entry> key);
    // Appends the event of a cancellation, once. Does nothing when it was asked for before.
    runtime::result<void> request_cancellation(const std::shared_ptr<execution>& e);

    // The intention to start the present attempt, durable when this returns: its number is never started again.
    runtime::task<runtime::result<void>> schedule(std::shared_ptr<execution> e);
    runtime::task<runtime::result<void>> start(std::shared_ptr<execution> e);
    // Durable soon, and before anything of the execution that is appended later.
    runtime::task<runtime::result<void>> output(std::shared_ptr<execution> e, output_record what);
    runtime::task<runtime::result<void>> end_attempt(std::shared_ptr<execution> e, attempt_ended_record what);
    // Durable when this returns. `artifacts`: the bytes of the verdict's, in order; they are durable with it.
    runtime::task<runtime::result<void>> conclude(std::shared_ptr<execution> e, verdict_view verdict,
                                                  std::vector<std::string> artifacts = {});

    // Lets `changed` tell when what was appended last is durable: who follows an execution may see it only then. A
    // transition does so itself where a follower waits already, and the last one where anybody does.
    void announce(const std::shared_ptr<execution>& e);

  private:
    enum class ends_when : bool { appended, durable };
    // Waits for room where the log has none.
    runtime::task<runtime::result<void>> append(std::shared_ptr<execution> e, record_type type,
                                                std::uint16_t event_count, std::string payload, ends_when when);
    runtime::task<runtime::result<void>> conclude_with(std::shared_ptr<execution> e, concluded_record what,
                                                       std::vector<std::string> artifacts);
    runtime::task<runtime::result<artifact_pieces>> put_artifact(std::shared_ptr<execution> e, std::string bytes);
    runtime::result<payload_bytes> claim_check(const storage::record_header& like, std::string_view bytes);
    // The same of bytes that nobody else needs: few of them move into the record.
    runtime::result<payload_bytes> claim_check(const storage::record_header& like, std::string&& bytes);
    void fold(const std::shared_ptr<execution>& e, const storage::record_header& stored, std::string_view payload);

    runtime::shard& home_;
    journal& journal_;
    storage::blobs& blobs_;
    execution_table& table_;
    std::size_t window_bytes_max_;
    std::array<runtime::counter*, 4> finished_;  // by terminal status
};

}  // namespace pipeline
