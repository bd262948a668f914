// The shard's part in warm starts: it tells a broker what can be booted ahead, says of each launch whether that will
// do, and shows how the pools are.
#include <algorithm>

#include "runtime/base/log.hpp"
#include "stages/worker/sandbox/sandbox_worker.hpp"

namespace stages::worker::sandbox {

namespace {

// What is larger is no pipe in a box, but a file; interpreters look at that when they boot.
constexpr std::size_t piped_input_max = 16U * 4096U;

static_assert(static_cast<int>(start_kind::cold) == static_cast<int>(box_start::cold));
static_assert(static_cast<int>(start_kind::zygote) == static_cast<int>(box_start::zygote));
static_assert(static_cast<int>(start_kind::parked) == static_cast<int>(box_start::parked));

}  // namespace

pool_gauges::pool_gauges(runtime::shard& home, const std::string& name)
    : ready(home.metrics().make_gauge("weir_pool_ready", "Boxes that wait for a run", {{"pool", name}})),
      wanted(home.metrics().make_gauge("weir_pool_wanted", "Boxes that shall wait, by demand", {{"pool", name}})),
      taken(home.metrics().make_counter("weir_pool_taken_total", "Runs that found a box ready", {{"pool", name}})),
      missed(home.metrics().make_counter("weir_pool_missed_total", "Runs that found nothing ready in the pool",
                                         {{"pool", name}})),
      given_up(home.metrics().make_counter("weir_pool_given_up_total", "Boxes that were ready and not needed",
                                           {{"pool", name}})),
      failed(home.metrics().make_counter("weir_pool_failed_total", "Boxes that ended while they waited",
                                         {{"pool", name}})),
      zygotes(home.metrics().make_counter("weir_zygotes_started_total", "Interpreters that fork themselves into boxes",
                                          {{"pool", name}})) {}

void pool_gauges::show(const pool_packet& before, const pool_packet& now) {
    ready.set(now.ready);
    wanted.set(now.wanted);
    taken.add(now.taken - before.taken);
    missed.add(now.missed - before.missed);
    given_up.add(now.ended - before.ended);
    failed.add(now.failed - before.failed);
    zygotes.add(now.zygotes - before.zygotes);
}

spare_gauges::spare_gauges(runtime::shard& home)
    : networks(home.metrics().make_gauge("weir_box_networks_kept", "Network namespaces that wait for a box")),
      groups(home.metrics().make_gauge("weir_box_groups_kept", "Control groups that wait for a box")),
      networks_reused(home.metrics().make_counter("weir_box_networks_reused_total",
                                                  "Boxes whose network namespace another one had left untouched")),
      groups_reused(home.metrics().make_counter("weir_box_groups_reused_total",
                                                "Boxes whose control groups another one had left as new")) {}

void spare_gauges::show(const pool_packet& before, const pool_packet& now) {
    networks.set(now.kept_networks);
    groups.set(now.kept_groups);
    networks_reused.add(now.networks_reused - before.networks_reused);
    groups_reused.add(now.groups_reused - before.groups_reused);
}

void sandbox_worker::prepare_warm_runtimes() {
    spare_gauges_.emplace(home_);
    pool_gauges_.emplace_back(home_, "box");
    for (const auto& installed : options_.runtimes) {
        if (!installed.what.warm) continue;
        for (const auto& version : installed.versions) {
            const auto runtime = choose_runtime(options_.runtimes, installed.what.language, version);
            if (!runtime.found() || warm_.size() == warm_runtimes_max) continue;
            warm_.push_back(interpreter_packet(runtime, static_cast<std::uint32_t>(warm_.size()) + 1));
            pool_gauges_.emplace_back(home_, warm_.back().name);
        }
    }
    pools_.resize(warm_.size() + 1);
}

// To each new broker: it has nothing of the one before.
void sandbox_worker::introduce_warm_runtimes() {
    for (std::size_t i = 0; i < pools_.size(); ++i) {
        pools_[i] = {};
        pool_gauges_[i].ready.set(0);
        pool_gauges_[i].wanted.set(0);
    }
    spare_gauges_->show({}, {});
    for (const auto& what : warm_) post(what);
}

// Only what an interpreter that has booted cannot tell from its own boot will do.
void sandbox_worker::allow_warm_start(box_job& job, const chosen_runtime& runtime) const {
    const auto hidden = [](const input_file* file) {
        return file->path.starts_with('.');
    };  // interpreters look for some
    if (job.what.terminal.rows != 0 || job.what.network) return;
    if (job.standard_input.size() > piped_input_max || std::ranges::any_of(job.files, hidden)) return;
    const auto name = runtime.what->language + runtime.version;
    const auto found = std::ranges::find(warm_, name, &warm_packet::name);
    if (found != warm_.end()) job.what.warm = found->number;
}

void sandbox_worker::on_pool(pool_packet what) {
    if (what.number >= pools_.size()) return;
    auto& before = pools_[what.number];
    const std::string name = what.number == 0 ? "box" : warm_[what.number - 1].name;
    if (!what.problem.empty() && (what.problem != before.problem || what.failed != before.failed))
        runtime::log(runtime::log_level::warning, "what was booted ahead of programs was lost",
                     {{"pool", name}, {"problem", what.problem}});
    pool_gauges_[what.number].show(before, what);
    if (what.number == 0) spare_gauges_->show(before, what);
    before = std::move(what);
}

}  // namespace stages::worker::sandbox
