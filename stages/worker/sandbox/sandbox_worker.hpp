// Runs programs in local boxes: the shard's side. It asks the nursery for a broker, gives it launches, reads what the
// programs write, and asks for another broker when one dies; the runs of a dead broker end as `infrastructure`.
#pragma once

#include <array>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/base/metrics.hpp"
#include "runtime/base/time.hpp"
#include "runtime/event.hpp"
#include "runtime/gate.hpp"
#include "runtime/shard.hpp"
#include "stages/worker/network/filter.hpp"
#include "stages/worker/runtimes/installed.hpp"
#include "stages/worker/sandbox/artifact_cache.hpp"
#include "stages/worker/sandbox/channel/channel.hpp"
#include "stages/worker/sandbox/channel/descriptor.hpp"
#include "stages/worker/sandbox/channel/protocol.hpp"
#include "stages/worker/sandbox/commands.hpp"
#include "stages/worker/worker.hpp"

namespace stages::worker::sandbox {

struct worker_options {
    limits_by limits = limits_by::rlimit;               // what the nursery reported
    std::vector<runtimes::installed_runtime> runtimes;  // of detect_runtimes()
    // The node's compiled programs; null: a cache of this worker's own, as large as the default.
    std::shared_ptr<artifact_directory> artifacts;
    runtime::milliseconds broker_wait{5000};  // how long a launch waits while there is no broker
    // A broker that is silent for so long is killed when a box of it is past its wall limit by as much.
    runtime::milliseconds overdue{30'000};
    network::filter_options network;
    // Null: the machine's.
    std::function<std::unique_ptr<network::resolver>(runtime::shard&)> make_resolver;
};

// How the pools of a shard's broker do, as metrics.
struct pool_gauges {
    pool_gauges(runtime::shard& home, const std::string& name);
    void show(const pool_packet& before, const pool_packet& now);
    runtime::gauge& ready;
    runtime::gauge& wanted;
    runtime::counter& taken;
    runtime::counter& missed;
    runtime::counter& given_up;
    runtime::counter& failed;
    runtime::counter& zygotes;
};

// What a broker keeps of boxes that have ended.
struct spare_gauges {
    explicit spare_gauges(runtime::shard& home);
    void show(const pool_packet& before, const pool_packet& now);
    runtime::gauge& networks;
    runtime::gauge& groups;
    runtime::counter& networks_reused;
    runtime::counter& groups_reused;
};

struct worker_counters {
    std::uint64_t launched = 0;
    std::uint64_t ended = 0;
    std::uint64_t brokers_lost = 0;
    std::uint64_t output_limit_reached = 0;  // streams that were cut
    std::uint64_t warm_starts = 0;           // of those launched
};

// Shard: each shard has its own; real shards only. Lifetime: outlives its runs; stop() before it goes.
class sandbox_worker final : public worker {
  public:
    // `channel`: nursery::take_channel().
    sandbox_worker(runtime::shard& home, descriptor channel, worker_options options);
    ~sandbox_worker() override;

    runtime::task<verdict> run(launch_request request, observer& watch, std::stop_token stop) override;
    // Has a broker made and tries one box; after an error problem() says what is wrong with this machine.
    runtime::task<runtime::result<void>> start() override;
    runtime::task<void> stop() override;

    [[nodiscard]] const worker_counters& counters() const { return counters_; }
    [[nodiscard]] std::size_t running() const { return runs_.size(); }
    [[nodiscard]] const std::string& problem() const { return problem_; }
    [[nodiscard]] std::string diagnosis() const override { return problem_; }
    // What the broker has last said of its pools, boxes without a program first.
    [[nodiscard]] const std::vector<pool_packet>& pools() const { return pools_; }
    // Of which kind the other pools are, in the same order.
    [[nodiscard]] const std::vector<warm_packet>& warm_runtimes() const { return warm_; }
    // 0 while there is none.
    [[nodiscard]] pid_t broker_process() const { return broker_ ? broker_process_ : 0; }

  private:
    using stream = boost::asio::posix::basic_stream_descriptor<runtime::executor>;
    struct active_run;
    using run_pointer = std::shared_ptr<active_run>;
    struct outgoing {
        packet what;
        std::vector<descriptor> files;
    };

    // One box from its launch to its end. The files and the program outlive it.
    struct box_job {
        launch_packet what;
        std::string standard_input;
        std::vector<const input_file*> files;
        artifact_pointer program;  // one more file, which may be executed, or null;
        std::string program_name;  // and its name
        program_limits limits;
        std::shared_ptr<pipeline::live_input> live;  // or null: standard_input is all there is
        pipeline::network_request network;
    };
    struct box_outcome {
        verdict end;
        descriptor disk;  // if the job asked for it and there was a box
    };
    runtime::task<box_outcome> run_box(box_job job, observer& watch, std::stop_token stop);
    static runtime::result<void> add_files(box_job& job, std::vector<descriptor>& to);

    // compile.cpp
    struct compiled {
        artifact_pointer program;  // or null, and then:
        verdict end;
        std::string messages;
    };
    runtime::task<compiled> compile(chosen_runtime runtime, const launch_request& request, std::stop_token stop);
    runtime::task<compiled> run_compiler(chosen_runtime runtime, box_job job, std::stop_token stop);
    // outputs.cpp: once the tree has ended.
    static runtime::task<std::vector<kept_output>> take_outputs(descriptor disk, std::vector<std::string> paths,
                                                                std::uint64_t each_max, std::uint64_t together_max);
    runtime::task<verdict> tell_of_failure(compiled what, observer& watch);

    // attached.cpp
    static void attach(box_job& job, std::shared_ptr<pipeline::live_input> live);
    runtime::result<descriptor> make_live_input(active_run& run);
    void take_terminal(active_run& run, descriptor outer_end);
    void begin_live(const run_pointer& run);
    runtime::task<void> feed(run_pointer run);
    runtime::task<void> obey_clients(run_pointer run);

    // connected.cpp
    static void connect_box(launch_packet& what);
    void take_at_start(active_run& run, std::vector<descriptor> files);
    static void begin_network(active_run& run);

    // warm_runtimes.cpp
    void prepare_warm_runtimes();
    void introduce_warm_runtimes();
    void allow_warm_start(box_job& job, const chosen_runtime& runtime) const;
    void on_pool(pool_packet what);

    runtime::task<void> follow(run_pointer run, std::stop_token stop);
    bool wait_for(std::optional<stream>& pipe, descriptor& file);
    runtime::task<void> read_stream(run_pointer run, output_stream which);
    runtime::result<std::vector<descriptor>> open_streams(active_run& run, const std::string& standard_input);
    void on_packet(received what);
    void end_run(active_run& run);
    void lose_runs();
    void request_kill(std::uint64_t run, kill_reason why);
    void watch_for_silence(const run_pointer& run, runtime::steady_time at);

    runtime::task<void> keep_broker();
    runtime::task<runtime::result<void>> fetch_broker();
    runtime::task<void> read_packets();
    runtime::task<bool> wait_for_broker();
    void post(packet what, std::vector<descriptor> files = {});
    bool flush();
    runtime::task<void> flush_later();

    runtime::shard& home_;
    worker_options options_;
    stream channel_;
    std::optional<stream> broker_;
    pid_t broker_process_ = 0;
    runtime::event broker_changed_;
    runtime::steady_time last_packet_;
    // At most three packets for each run, and one for each signal that clients may send it.
    std::deque<outgoing> outbox_;
    runtime::event outbox_sent_;  // or a run has ended
    bool flushing_ = false;
    std::unordered_map<std::uint64_t, run_pointer> runs_;
    std::uint64_t next_run_ = 1;
    worker_counters counters_;
    network::filter_shared network_;
    std::vector<warm_packet> warm_;  // numbered by their places, from 1
    std::vector<pool_packet> pools_;
    std::vector<pool_gauges> pool_gauges_;
    std::optional<spare_gauges> spare_gauges_;
    std::string problem_;
    std::array<char, 64U << 10> buffer_;  // of whoever reads right now; nothing suspends while it is in use
    std::stop_source stopping_;
    runtime::gate gate_;
};

}  // namespace stages::worker::sandbox
