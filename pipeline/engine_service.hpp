// The engine of one shard. A call is made on any shard, travels to the execution's home by submit(), and answers only
// what is durable.
#pragma once

#include <type_traits>
#include <vector>

#include "pipeline/engine.hpp"
#include "pipeline/key_upkeep.hpp"
#include "pipeline/saga.hpp"
#include "pipeline/shard_map.hpp"
#include "pipeline/shard_state.hpp"
#include "pipeline/snapshots.hpp"
#include "pipeline/user_limit/borrower.hpp"
#include "pipeline/user_limit/lender.hpp"
#include "runtime/gate.hpp"
#include "runtime/submit.hpp"

namespace pipeline {

struct engine_options {
    operator_limits limits;
    std::size_t queued_max = 100'000;       // this shard's share of admission.queued_max
    std::size_t queued_max_node = 100'000;  // as the operator set it: what the refusal names
    user_limit::borrower_options users;     // the limit of a user's open executions, of the node
    runtime::seconds key_ttl{24 * 3600};
    snapshot_options snapshots;
    // New work is refused while a write of the log has taken longer.
    runtime::milliseconds log_stalled_max{5000};
    std::string executor;                        // how programs run, for people
    letters::letter_carrier* carrier = nullptr;  // null: between the shards of this process
};

// Shard: calls of the engine interface, any; everything else, its own. Lifetime: stop() before destruction.
class engine_service final : public engine {
  public:
    engine_service(shard_state& state, saga& saga, const shard_map& map, engine_options options);
    ~engine_service() override { state_.journal.on_failure({}); }

    // Opens this shard's partitions, folds what the log holds, and takes every unfinished execution up again.
    runtime::task<runtime::result<void>> start();
    // Returns when every shard's users are counted and work is taken; only with a limit of a user is there a wait.
    runtime::task<runtime::result<void>> wait_until_open();
    // Takes no more work; what is accepted goes on.
    void drain() { draining_ = true; }
    runtime::task<void> stop();

    [[nodiscard]] const operator_limits& limits() const override { return options_.limits; }
    [[nodiscard]] runtime::shard& home_of(execution_id id) override;
    [[nodiscard]] engine& on(runtime::shard& home) override;
    task<outcome<accepted>> execute(principal who, script_request request, std::optional<idempotency> key) override;
    task<outcome<accepted>> execute_and_wait(principal who, script_request request, std::optional<idempotency> key,
                                             runtime::steady_time deadline) override;
    task<outcome<execution_view>> find(principal who, execution_id id) override;
    task<outcome<result_view>> result_of(principal who, execution_id id) override;
    task<outcome<std::string>> artifact_of(principal who, execution_id id, std::uint32_t number) override;
    task<outcome<std::optional<result_view>>> result_in_time(principal who, execution_id id,
                                                             runtime::steady_time deadline) override;
    task<outcome<list_page>> list(principal who, list_filter filter, std::optional<execution_id> below,
                                  std::size_t limit) override;
    task<outcome<void>> cancel(principal who, execution_id id) override;
    task<outcome<std::unique_ptr<subscription>>> subscribe(principal who, execution_id id,
                                                           std::uint32_t after) override;
    task<outcome<attachment>> attach(principal who, execution_id id, std::uint32_t after) override;
    task<std::vector<stuck_execution>> stuck() override;
    [[nodiscard]] bool ready() const override;
    [[nodiscard]] std::string describe() const override;

    [[nodiscard]] const shard_state& state() const { return state_; }
    [[nodiscard]] std::uint64_t snapshots_taken() const { return snapshots_.taken(); }
    [[nodiscard]] std::uint64_t held_bytes() const { return snapshots_.held_bytes(); }
    // Where letters to this shard's partitions arrive.
    [[nodiscard]] const user_limit::borrower& borrowed() const { return borrower_; }
    [[nodiscard]] const user_limit::lender& lent() const { return lender_; }
    [[nodiscard]] letters::letter_office& letters() { return state_.letters; }

  private:
    [[nodiscard]] std::size_t owner_of(execution_id id) const { return map_.owner_of(id.home()); }
    // Calls the member of the engine of shard `owner`, there. Where that is this one, without a hop's coroutines.
    template <class R, class... Parameters>
    task<R> at_home(std::size_t owner, task<R> (engine_service::*member)(Parameters...),
                    std::type_identity_t<Parameters>... with) {
        if (map_.engines[owner] == this) return (this->*member)(std::move(with)...);
        auto there = [home = map_.engines[owner], member, ... with = std::move(with)]() mutable {
            return (home->*member)(std::move(with)...);
        };
        return runtime::submit(*map_.shards[owner], std::move(there));
    }
    runtime::slot own_slot();

    // Where a post is at home, and the key that binds it there; that lives from when it is accepted.
    struct post_place {
        runtime::slot home;
        std::optional<key_entry> binding;
    };
    [[nodiscard]] post_place place_of(const principal& who, const std::optional<idempotency>& key);

    // On the home shard.
    task<outcome<accepted>> execute_here(principal who, script_request request, post_place place,
                                         std::optional<runtime::steady_time> wait_until);
    task<outcome<accepted>> replay_here(principal who, key_table::entry bound, runtime::sha256_digest body);
    task<outcome<execution_view>> find_here(principal who, execution_id id);
    task<outcome<result_view>> result_here(principal who, execution_id id);
    task<outcome<std::string>> artifact_here(principal who, execution_id id, std::uint32_t number);
    task<outcome<std::optional<result_view>>> result_in_time_here(principal who, execution_id id,
                                                                  runtime::steady_time deadline);
    task<outcome<void>> cancel_here(principal who, execution_id id);
    task<std::vector<execution_view>> list_here(principal who, list_filter filter, std::optional<execution_id> below,
                                                std::size_t limit);
    task<std::vector<stuck_execution>> stuck_here();

    failure limited(failure_code code, std::string_view limit, std::uint64_t value, std::string detail);
    std::optional<failure> refusal(bool with_key);
    failure no_room(user_limit::room why);
    failure no_answer(user_limit::answer_end why);
    task<void> count_users();
    void shard_has_counted();
    // Null: the archive has it, or nobody; not the caller's counts as nobody.
    std::shared_ptr<execution> open_one(const principal& who, execution_id id) const;
    task<outcome<summary>> archived(principal who, execution_id id);
    task<failure> vanished(principal who, execution_id id);
    // What is true of it already needs no wait, and no coroutine for it.
    [[nodiscard]] bool is_committed(const execution& e) const;
    task<outcome<void>> after_commit(std::shared_ptr<execution> e);

    task<void> maintain();
    task<void> take_snapshots();

    shard_state& state_;
    saga& saga_;
    const shard_map& map_;
    engine_options options_;
    snapshots snapshots_;
    key_upkeep key_upkeep_;
    shard_carrier carrier_;
    runtime::id_generator ids_;
    std::vector<runtime::partition_id> partitions_;
    user_limit::borrower borrower_;
    user_limit::lender lender_;
    std::size_t shards_counted_ = 0;
    bool open_ = false;
    runtime::event opened_;
    bool draining_ = false;
    runtime::counter& accepted_;
    runtime::metrics_registry::hook_ticket gauges_;
    std::stop_source stop_;
    runtime::gate gate_;
};

// What a failed log means to a client.
failure storage_failure(runtime::error_code why);
// An archive that fails a read.
failure archive_failure(runtime::error_code why);

}  // namespace pipeline
