// Reads an execution's events back, from wherever they are: its memory window, the log, or the archive.
#pragma once

#include <memory>
#include <vector>

#include "pipeline/execution.hpp"
#include "pipeline/journal.hpp"
#include "storage/api/archive.hpp"

namespace pipeline {

// Shard: its owner only.
class history {
  public:
    history(journal& journal, storage::archive& archive, storage::blobs& blobs)
        : journal_(journal), archive_(archive), blobs_(blobs) {}

    using events = std::vector<std::shared_ptr<const event>>;

    // Durable events above number `after`, at most about `bytes_max` of output (at least one event); empty when there
    // is none now.
    runtime::task<runtime::result<events>> read(std::shared_ptr<execution> e, std::uint32_t after,
                                                std::size_t bytes_max);
    // The last event after `after` behind which there may be output: for who wants nothing else, and need not look at
    // records that memory knows to be of other kinds.
    [[nodiscard]] std::uint32_t before_next_output(const execution& e, std::uint32_t after) const;
    // The same as read(), for an execution that only the archive knows.
    runtime::task<runtime::result<events>> read_archived(execution_id id, std::uint32_t after, std::size_t bytes_max);
    // All records of an ended execution, blob pieces first, for its document.
    runtime::task<runtime::result<std::vector<storage::record>>> records(std::shared_ptr<execution> e);

    // The bytes of an artefact of an ended execution, from the log. It may have moved to the archive meanwhile: after
    // an error look whether it has.
    runtime::task<runtime::result<std::string>> artifact(std::shared_ptr<execution> e, std::size_t index);
    // From the archive; `bytes` is what its summary says.
    runtime::task<runtime::result<std::string>> archived_artifact(execution_id id, std::size_t index,
                                                                  std::uint64_t bytes);

    // Records from a place on, as they first stood (those in a snapshot one by one), until about `bytes_max`.
    struct piece {
        std::vector<storage::record> records;
        std::size_t next_place = 0;
    };
    runtime::task<runtime::result<piece>> records_from(std::shared_ptr<execution> e, std::size_t place,
                                                       std::size_t bytes_max);

  private:
    runtime::task<runtime::result<std::vector<storage::record>>> load(std::shared_ptr<execution> e, std::size_t place,
                                                                      std::size_t bytes_max);

    journal& journal_;
    storage::archive& archive_;
    storage::blobs& blobs_;
};

}  // namespace pipeline
