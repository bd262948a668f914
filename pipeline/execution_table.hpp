// The open executions of a shard, and those that have ended but whose document the archive has not taken yet.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "pipeline/execution.hpp"

namespace pipeline {

// Shard: its owner only.
class execution_table {
  public:
    void insert(std::shared_ptr<execution> e);
    void erase(execution_id id);
    [[nodiscard]] std::shared_ptr<execution> find(execution_id id) const;
    [[nodiscard]] std::size_t size() const { return by_id_.size(); }
    // Open (not ended) executions of a user.
    [[nodiscard]] std::size_t open_of(const runtime::uuid& user) const;
    // Users with open executions, and how many.
    [[nodiscard]] const std::unordered_map<runtime::uuid, std::size_t>& users() const { return open_by_user_; }
    // Told when an execution ends: it counts no longer for its user.
    void ended(execution& e);
    // Puts `e` where `old`, its earlier self, stood; during recovery, when a snapshot is whole.
    void replace(std::shared_ptr<execution> e);

    // The unfinished execution whose oldest record was appended first; null when there is none.
    [[nodiscard]] std::shared_ptr<execution> oldest_open() const;
    // `e` is the youngest from now on: it has been written again, or is about to be.
    void renewed(execution& e);

    // Newest first, strictly below `below` if given, until `visit` returns false.
    void newest_first(std::optional<execution_id> below,
                      const std::function<bool(const std::shared_ptr<execution>&)>& visit) const;
    [[nodiscard]] std::vector<std::shared_ptr<execution>> all() const;

  private:
    std::unordered_map<execution_id, std::shared_ptr<execution>> by_id_;
    std::set<execution_id> in_order_;
    std::list<execution_id> by_age_;  // of the unfinished
    std::unordered_map<runtime::uuid, std::size_t> open_by_user_;
};

}  // namespace pipeline
