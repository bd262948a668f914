// Documents from the log: what a damaged archive has lost and the log still has, released or not.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "pipeline/execution.hpp"
#include "runtime/base/unique_function.hpp"
#include "storage/api/archive.hpp"

namespace stages::result {

// Takes records in the order of each partition, and gives a document for each execution of which it has seen everything
// from its acceptance to its end. What it holds are the executions that are open at that place of the log.
//
// Shard: its owner only.
class rebuild {
  public:
    using document_visitor = runtime::unique_function<void(storage::document)>;
    rebuild(runtime::shard& home, document_visitor found) : home_(home), found_(std::move(found)) {}

    void take(const storage::record_view& record);

  private:
    struct open_execution {
        std::shared_ptr<pipeline::execution> e;
        std::vector<storage::record> records;
    };
    void begin(const storage::record_view& accepted);
    void follow(const storage::record_view& record);

    runtime::shard& home_;
    document_visitor found_;
    std::map<runtime::uuid, std::vector<storage::record>> blobs_;  // whose record comes later
    std::map<runtime::uuid, open_execution> open_;
};

}  // namespace stages::result
