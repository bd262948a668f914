// A shard's front to the process's one database. Private to this folder.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/event.hpp"
#include "runtime/gate.hpp"
#include "storage/embedded/archive/archive_database.hpp"
#include "storage/embedded/archive/archive_store.hpp"
#include "storage/embedded/archive/fronts.hpp"

namespace storage::embedded {

// Shard: its owner only. Every blocking call goes to a helper thread. One write is in flight at a time; what arrives
// meanwhile goes together in the next, up to group_bytes_max.
class shard_archive final : public archive {
  public:
    shard_archive(archive_store& store, runtime::shard& home);
    ~shard_archive() override;

    runtime::task<runtime::result<void>> put(std::vector<document> documents,
                                             runtime::unique_function<void()> on_durable) override;
    runtime::task<runtime::result<std::optional<document_summary>>> find(runtime::execution_id id) override;
    runtime::task<runtime::result<std::vector<document::chunk>>> events(runtime::execution_id id,
                                                                        std::uint32_t first_event,
                                                                        std::size_t bytes_max) override;
    runtime::task<runtime::result<std::vector<document_summary>>> list(runtime::uuid tenant, runtime::uuid user,
                                                                       std::optional<runtime::execution_id> before,
                                                                       std::size_t limit) override;
    runtime::task<runtime::result<retention_step>> remove_oldest(retention_limits limits, runtime::utc_time now,
                                                                 std::size_t documents_max) override;
    [[nodiscard]] archive_totals totals() const override;
    runtime::task<runtime::result<void>> flush() override;
    runtime::task<void> stop() override;

  private:
    friend class archive_store::fronts;
    // A call of put() from its queueing until its documents are in the memtable. Shared, because a cancelled caller
    // goes before its documents do.
    struct waiting_put {
        explicit waiting_put(runtime::shard& home) : done(home) {}
        std::vector<document> documents;
        runtime::unique_function<void()> on_durable;
        std::size_t bytes = 0;
        std::uint64_t number = 0;
        std::optional<runtime::result<void>> outcome;
        runtime::event done;
    };
    using put_group = std::vector<std::shared_ptr<waiting_put>>;
    // The calls of one group, which a flush confirms together.
    struct unconfirmed_group {
        archive_sequence sequence = 0;
        runtime::steady_time flush_at;
        std::vector<runtime::unique_function<void()>> on_durable;
    };

    // The limit that this many bytes would exceed, or null.
    [[nodiscard]] runtime::counter* full_limit(std::size_t bytes) const;
    runtime::task<void> write_queue();
    put_group take_group();
    void finish_group(const put_group& group, const runtime::result<archive_sequence>& written);
    runtime::task<runtime::result<void>> flush_all();
    runtime::task<void> start_flush();
    void flush_soon();
    // Arms the timer if it is not armed for an earlier time.
    void flush_by(runtime::steady_time deadline);
    void confirm(archive_sequence through);
    void note_failure(runtime::error_code why);
    template <class T>
    runtime::result<T> count_damage(runtime::result<T> read);
    void refuse(runtime::counter& limit);
    [[nodiscard]] runtime::steady_time now() const { return home_.time().steady(); }

    archive_store& store_;
    runtime::shard& home_;
    std::shared_ptr<front_link> link_;
    std::deque<std::shared_ptr<waiting_put>> queue_;
    std::size_t queued_bytes_ = 0;
    std::uint64_t last_number_ = 0;     // of the newest call of put()
    std::uint64_t written_number_ = 0;  // of the newest one that is in the memtable, or has failed
    std::deque<unconfirmed_group> unconfirmed_;
    std::size_t unconfirmed_puts_ = 0;
    archive_sequence confirmed_through_ = 0;
    archive_sequence awaited_flush_ = 0;  // what the last flush begun here will confirm
    std::uint64_t failures_ = 0;
    runtime::error_code last_failure_;
    std::optional<runtime::timer_queue::ticket> timer_;
    runtime::counter& waiting_limit_;
    runtime::counter& unconfirmed_limit_;
    runtime::counter& documents_;
    runtime::counter& failed_puts_;
    runtime::counter& damaged_reads_;
    runtime::metrics_registry::hook_ticket gauges_;
    bool writing_ = false;
    bool flush_in_flight_ = false;
    bool stopping_ = false;
    runtime::event progressed_;  // written_number_, confirmed_through_ or failures_ changed
    runtime::gate gate_;
};

}  // namespace storage::embedded
