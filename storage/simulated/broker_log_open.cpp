// broker_log: opening partitions: a fence, then everything up to it.
#include <algorithm>

#include "runtime/spawn.hpp"
#include "runtime/timer.hpp"
#include "storage/simulated/broker_log.hpp"

namespace storage::simulated {
namespace {

constexpr std::size_t fetch_bytes_max = 1 << 20;
constexpr int fence_attempts_max = 100;

// An answer that a task waits for, and that may come when nobody waits any more.
template <class T>
struct awaited {
    explicit awaited(runtime::shard& home) : came(home) {}
    std::optional<T> value;
    runtime::event came;
    void set(T with) {
        value.emplace(std::move(with));
        came.notify_all();
    }
};

}  // namespace

task<result<std::vector<opened_partition>>> broker_log::open(std::vector<partition_id> ids,
                                                             runtime::unique_function<bool(const record_view&)> replay,
                                                             log_listener& listener) {
    for (const partition_id id : ids) {
        const partition* p = find(id);
        if (p != nullptr && !p->closed)
            co_return boost::system::errc::make_error_code(boost::system::errc::device_or_resource_busy);
        open_.erase(id);
    }
    if (!sending_) {
        sending_ = true;
        runtime::spawn(gate_, home_, send_loop());
    }
    const epoch writer = co_await next_epoch();
    std::vector<opened_partition> out;
    for (const partition_id id : ids) {
        const auto opened = co_await open_one(id, writer, replay);
        if (opened.has_error()) {
            for (const partition_id undo : ids) open_.erase(undo);
            co_return opened.error();
        }
        out.push_back({id, writer, find(id)->next});
    }
    for (const partition_id id : ids) find(id)->listener = &listener;
    co_return std::move(out);
}

task<epoch> broker_log::next_epoch() {
    auto answer = std::make_shared<awaited<epoch>>(home_);
    broker_.new_epoch(home_, [answer](epoch number) { answer->set(number); });
    while (!answer->value) co_await answer->came.wait();
    co_return *answer->value;
}

task<std::vector<stored_message>> broker_log::fetch(partition_id id, std::uint64_t at, std::size_t bytes_max) {
    auto answer = std::make_shared<awaited<std::vector<stored_message>>>(home_);
    broker_.fetch(home_, id, at, bytes_max,
                  [answer](std::vector<stored_message> messages) { answer->set(std::move(messages)); });
    while (!answer->value) co_await answer->came.wait();
    co_return std::move(*answer->value);
}

task<std::vector<stored_message>> broker_log::fetch_all(partition_id id) {
    std::vector<stored_message> all;
    while (true) {
        const std::uint64_t at = all.empty() ? 0 : all.back().at + 1;
        auto some = co_await fetch(id, at, fetch_bytes_max);
        if (some.empty()) co_return std::move(all);
        for (stored_message& m : some) all.push_back(std::move(m));
    }
}

// Where this epoch's fence stands. When its outcome is unknown the log itself tells; a second one does no harm.
task<std::optional<std::uint64_t>> broker_log::place_fence(partition_id id, epoch writer) {
    message fence;
    fence.kind = message_kind::fence;
    fence.writer = writer;
    for (int attempt = 0; attempt < fence_attempts_max; ++attempt) {
        auto answer = std::make_shared<awaited<result<std::uint64_t>>>(home_);
        const std::vector<message> one(1, fence);
        broker_.produce(home_, id, one, [answer](result<std::uint64_t> first) { answer->set(first); });
        const auto deadline = home_.time().steady() + runtime::milliseconds(options_.acknowledge_ms);
        while (!answer->value && home_.time().steady() < deadline)
            static_cast<void>(co_await answer->came.wait_until(deadline));
        if (answer->value && answer->value->has_value()) co_return **answer->value;
        const auto all = co_await fetch_all(id);
        for (const stored_message& m : all)
            if (m.content.kind == message_kind::fence && m.content.writer == writer) co_return m.at;
    }
    co_return std::nullopt;
}

// Drops what is void: a record or release of an older epoch behind a newer one's first message.
broker_log::found broker_log::sift(std::vector<stored_message> messages, epoch writer, std::uint64_t fence) {
    found out;
    epoch newest = 0;
    for (stored_message& m : messages) {
        if (m.at > fence) break;
        if (m.content.writer < newest) continue;
        newest = m.content.writer;
        if (m.content.kind == message_kind::release) out.released = std::max(out.released, m.content.low);
        if (m.content.kind == message_kind::record) out.live.push_back(std::move(m));
    }
    out.overtaken = newest > writer;
    return out;
}

task<result<void>> broker_log::open_one(partition_id id, epoch writer,
                                        runtime::unique_function<bool(const record_view&)>& replay) {
    const auto fence = co_await place_fence(id, writer);
    if (!fence) co_return log_errc::closed;
    auto messages = co_await fetch_all(id);
    const found there = sift(std::move(messages), writer, *fence);
    if (there.overtaken) co_return log_errc::closed;
    auto p = std::make_unique<partition>();
    p->id = id;
    p->writer = writer;
    p->released = p->released_durable = there.released;
    p->next = there.released;
    p->broker_next = *fence + 1;
    offset before = 0;
    for (const stored_message& m : there.live) {
        const record_header& h = m.content.header;
        if (before != 0 && h.at != before + 1) co_return log_errc::corrupt;
        before = h.at;
        p->last_time = h.time;
        p->last_record_at = m.at;
        if (h.at < there.released) continue;
        if (h.at != p->next) co_return log_errc::corrupt;
        ++p->next;
        p->places.push_back(m.at);
        if (!replay({h, m.content.payload})) co_return log_errc::newer_format;
    }
    p->committed = p->next - 1;
    open_[id] = std::move(p);
    co_return result<void>();
}

}  // namespace storage::simulated
