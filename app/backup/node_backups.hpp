// Backups of a running node. A backup lies in backup-staging beside the data, on the same file system, until it is
// fetched: the archive's files are shared with the archive, the log's are copied.
//
// What makes it consistent is the order. From before the archive's checkpoint until the log's files are copied, no log
// lets records go; what the checkpoint does not have, the logs have. Then all logs hold still together for the moment
// of one write, and say how far they are: that moment is what the backup shows, the same for all partitions. The
// checkpoint is older than it, so that nothing the logs call open has ended in the archive.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/backups.hpp"
#include "runtime/event.hpp"
#include "runtime/gate.hpp"
#include "runtime/timer.hpp"
#include "storage/embedded/archive/archive_store.hpp"
#include "storage/embedded/log/embedded_log.hpp"

namespace app::backup {

struct node_options {
    std::string data_directory;
    runtime::nanoseconds unread_after = std::chrono::minutes(10);  // then it is removed
};

struct node_log {
    runtime::shard* home = nullptr;
    storage::embedded::embedded_log* log = nullptr;
};

// Shard: at home on `home`, the log directory's; the calls of http::backups from any. Lifetime: stop() is awaited,
// before the logs and the archive stop; what the arguments refer to outlives it.
class node_backups final : public http::backups {
  public:
    node_backups(runtime::shard& home, storage::embedded::log_directory& directory,
                 storage::embedded::archive_store& archive, std::vector<node_log> logs, node_options options);
    ~node_backups() override;

    // Removes what an earlier life left.
    runtime::task<void> start();
    runtime::task<void> stop();

    runtime::task<http::backup_outcome<http::backup>> make() override;
    runtime::task<http::backup_outcome<std::string>> read(std::string id, std::size_t file, std::uint64_t offset,
                                                          std::size_t bytes_max) override;
    runtime::task<http::backup_outcome<void>> remove(std::string id) override;

  private:
    using ends = std::map<storage::embedded::log_id, storage::embedded::log_position>;

    runtime::task<http::backup_outcome<http::backup>> make_here();
    runtime::task<http::backup_outcome<std::string>> read_here(std::string id, std::size_t file, std::uint64_t offset,
                                                               std::size_t bytes_max);
    runtime::task<http::backup_outcome<void>> remove_here(std::string id);
    // Runs to its end whatever becomes of who asked: what it holds must be let go.
    runtime::task<void> run(std::shared_ptr<std::optional<http::backup_outcome<http::backup>>> out);
    runtime::task<http::backup_outcome<void>> fill(http::backup& out);
    runtime::task<http::backup_outcome<void>> checkpoint();
    runtime::task<runtime::result<ends>> stand_still();
    runtime::task<http::backup_outcome<void>> copy_log(const ends& until);
    runtime::task<void> hold(bool on);
    runtime::task<void> clear();
    void watch();

    runtime::shard& home_;
    storage::embedded::log_directory& directory_;
    storage::embedded::archive_store& archive_;
    std::vector<node_log> logs_;
    node_options options_;
    std::string staging_;
    std::optional<http::backup> present_;
    bool making_ = false;
    bool stopping_ = false;
    runtime::steady_time last_read_;
    std::size_t reads_ = 0;
    std::optional<runtime::timer_queue::ticket> timer_;
    runtime::counter& made_;
    runtime::counter& failed_;
    runtime::histogram& stood_still_;
    runtime::event finished_;
    runtime::gate gate_;
};

}  // namespace app::backup
