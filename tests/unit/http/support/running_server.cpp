#include "tests/unit/http/support/running_server.hpp"

#include "runtime/collect_metrics.hpp"
#include "runtime/submit.hpp"

namespace http::testing {
namespace {

std::vector<runtime::shard*> all_of(runtime::shard_group& group) {
    std::vector<runtime::shard*> out;
    for (std::size_t i = 0; i < group.size(); ++i) out.push_back(&group[i]);
    return out;
}

task<void> start_it(server_group& front_door, std::uint16_t& port, std::string& why) {
    const auto started = co_await front_door.start();
    if (started.has_error()) why = started.error().message();
    port = front_door.port();
}

task<void> collect(runtime::shard_group& group, runtime::metrics_snapshot& out) {
    out = co_await runtime::collect_metrics(all_of(group));
}

task<void> count_subscriptions(fake_world& world, std::size_t& out) {
    for (auto& store : world.stores) {
        const auto count = [one = store.get()] { return one->subscriptions; };
        out += co_await runtime::submit(store->home, count);
    }
}

}  // namespace

running_server::running_server(server_config config, std::size_t shards) : shards_(shards) {
    config.port = 0;
    world_ = std::make_unique<fake_world>(all_of(shards_));
    front_door_ = std::make_unique<server_group>(all_of(shards_), world_->engine_pointers(), std::move(config));
    shards_.start();
    std::string why;
    shards_.run_and_wait(0, [&] { return start_it(*front_door_, port_, why); });
    if (!why.empty()) throw std::runtime_error(why);
}

running_server::~running_server() {
    stop();
    shards_.stop();
}

void running_server::stop(runtime::nanoseconds grace) {
    if (std::exchange(stopped_, true)) return;
    shards_.run_and_wait(0, [this, grace] { return front_door_->stop(grace); });
}

void running_server::drain() {
    shards_.run_and_wait(0, [this] { return front_door_->drain(); });
}

std::string running_server::accept(std::string_view script) {
    auto client = connect();
    const auto answer = client.ask(post("/api/v1/execute", "{\"script\": \"" + std::string(script) + "\"}"));
    if (answer.status != 202) throw std::runtime_error("not accepted: " + answer.body);
    return member(answer.body, "execution_id");
}

void running_server::output(const std::string& id, std::string bytes) {
    const auto parsed = execution_id::parse(id).value();
    shards_.run_and_wait(0, [&] { return world_->engines[0]->output(parsed, bytes); });
}

void running_server::conclude(const std::string& id, pipeline::verdict_view how) {
    const auto parsed = execution_id::parse(id).value();
    if (how.status == pipeline::status::completed && !how.exit_code) how.exit_code = 0;
    shards_.run_and_wait(0, [&] { return world_->engines[0]->conclude(parsed, how); });
}

double running_server::metric(const std::string& name) {
    runtime::metrics_snapshot all;
    shards_.run_and_wait(0, [&] { return collect(shards_, all); });
    const auto brace = name.find('{');
    const auto it = all.find(name.substr(0, brace));
    if (it == all.end()) return -1;
    double out = 0;
    for (const auto& [labels, series] : it->second.series) {
        bool wanted = brace == std::string::npos;
        for (const auto& [key, value] : labels)
            wanted = wanted || name.substr(brace) == "{" + key + "=\"" + value + "\"}";
        if (wanted) out += static_cast<double>(series.count) + series.value;
    }
    return out;
}

std::size_t running_server::subscriptions() {
    std::size_t out = 0;
    shards_.run_and_wait(0, [&] { return count_subscriptions(*world_, out); });
    return out;
}

std::string member(const std::string& json, const std::string& name) {
    const auto key = "\"" + name + "\":";
    const auto at = json.find(key);
    if (at == std::string::npos) return "";
    auto begin = at + key.size();
    if (json[begin] == '"') {
        ++begin;
        auto end = begin;
        while (json[end] != '"' || json[end - 1] == '\\') ++end;
        return json.substr(begin, end - begin);
    }
    return json.substr(begin, json.find_first_of(",}]", begin) - begin);
}

}  // namespace http::testing
