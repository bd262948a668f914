// An engine without a log, for tests of the front door. Each execution lives on a home shard, as in the real one; what
// happens to it is written in its script:
//   "echo TEXT"   ends at once with TEXT on its standard output
//   "hold"        runs until conclude()
//   "refuse CODE" is not accepted: limited, overloaded, no_space, storage_failed
// Anything else ends at once without output. An output called "missing" is not there; of any other the path is the
// bytes.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/engine.hpp"
#include "pipeline/live_input.hpp"
#include "runtime/event.hpp"
#include "runtime/shard.hpp"

namespace http::testing {

using pipeline::execution_id;
using pipeline::outcome;
using runtime::task;

struct fake_execution {
    explicit fake_execution(runtime::shard& home) : changed(home) {}

    execution_id id;
    pipeline::principal owner;
    pipeline::script_request request;
    std::vector<std::shared_ptr<const pipeline::event>> events;
    std::optional<pipeline::verdict_view> verdict;
    std::string standard_output;
    std::string standard_error;
    runtime::event changed;
    std::shared_ptr<pipeline::live_input> input;  // of an interactive one

    pipeline::event& add(pipeline::event_type type);
    void output(std::string bytes);
    void conclude(pipeline::verdict_view how);
    [[nodiscard]] pipeline::execution_view view() const;

  private:
    std::vector<std::shared_ptr<pipeline::event>> mine_;
};

struct known_key {
    runtime::sha256_digest body_sha256;
    execution_id id;
};

// What one shard owns. Used on it alone.
struct fake_store {
    fake_store(runtime::shard& at, runtime::random_source random) : home(at), ids(at.time(), random) {}
    runtime::shard& home;
    runtime::id_generator ids;
    std::map<execution_id, std::unique_ptr<fake_execution>> executions;
    std::map<std::string, known_key> keys;  // all of them on the first shard
    std::size_t subscriptions = 0;
};

class fake_engine;

// Shared by the engines of all shards; constant after the start, but for the stores.
struct fake_world {
    explicit fake_world(std::vector<runtime::shard*> on);
    ~fake_world();

    std::vector<runtime::shard*> shards;
    std::vector<std::unique_ptr<fake_store>> stores;
    std::vector<std::unique_ptr<fake_engine>> engines;
    pipeline::operator_limits limits;
    std::atomic<bool> ready{true};

    [[nodiscard]] std::vector<pipeline::engine*> engine_pointers() const;
    [[nodiscard]] std::size_t home_index(const execution_id& id) const { return id.home().value % shards.size(); }
};

class fake_engine final : public pipeline::engine {
  public:
    fake_engine(fake_world& world, std::size_t index) : world_(world), index_(index) {}

    const pipeline::operator_limits& limits() const override { return world_.limits; }
    runtime::shard& home_of(execution_id id) override { return *world_.shards[world_.home_index(id)]; }
    engine& on(runtime::shard& home) override;
    task<outcome<pipeline::accepted>> execute(pipeline::principal who, pipeline::script_request request,
                                              std::optional<pipeline::idempotency> key) override;
    task<outcome<pipeline::accepted>> execute_and_wait(pipeline::principal who, pipeline::script_request request,
                                                       std::optional<pipeline::idempotency> key,
                                                       runtime::steady_time deadline) override;
    task<outcome<pipeline::execution_view>> find(pipeline::principal who, execution_id id) override;
    task<outcome<pipeline::result_view>> result_of(pipeline::principal who, execution_id id) override;
    task<outcome<std::string>> artifact_of(pipeline::principal who, execution_id id, std::uint32_t number) override;
    task<outcome<std::optional<pipeline::result_view>>> result_in_time(pipeline::principal who, execution_id id,
                                                                       runtime::steady_time deadline) override;
    task<outcome<pipeline::list_page>> list(pipeline::principal who, pipeline::list_filter filter,
                                            std::optional<execution_id> below, std::size_t limit) override;
    task<outcome<void>> cancel(pipeline::principal who, execution_id id) override;
    task<outcome<std::unique_ptr<pipeline::subscription>>> subscribe(pipeline::principal who, execution_id id,
                                                                     std::uint32_t after) override;
    task<outcome<pipeline::attachment>> attach(pipeline::principal who, execution_id id, std::uint32_t after) override;
    task<std::vector<pipeline::stuck_execution>> stuck() override;
    bool ready() const override { return world_.ready; }
    std::string describe() const override { return "fake engine"; }

    // For tests: output and end of a held execution. Shard: any.
    task<void> output(execution_id id, std::string bytes);
    task<void> conclude(execution_id id, pipeline::verdict_view how);

  private:
    fake_store& store_of(const execution_id& id) { return *world_.stores[world_.home_index(id)]; }

    fake_world& world_;
    std::size_t index_;
};

}  // namespace http::testing
