#include "storage/simulated/broker_log.hpp"

#include <algorithm>

#include "runtime/base/assert.hpp"
#include "runtime/spawn.hpp"
#include "runtime/timer.hpp"

namespace storage::simulated {
namespace {

constexpr std::size_t record_overhead_bytes = 104;
constexpr std::size_t send_bytes_max = 900'000;

}  // namespace

broker_log::broker_log(runtime::shard& home, broker& on, broker_log_options options)
    : home_(home),
      broker_(on),
      options_(options),
      alive_(std::make_shared<broker_log*>(this)),
      work_(home),
      progress_(home),
      gate_(home) {}

broker_log::~broker_log() {
    WEIR_ASSERT(!sending_);
    *alive_ = nullptr;
}

broker_log::partition* broker_log::find(partition_id id) const {
    const auto it = open_.find(id);
    return it == open_.end() ? nullptr : it->second.get();
}

result<record_header> broker_log::append(const record_header& header, std::string_view payload) {
    partition* const p = find(header.partition);
    if (p == nullptr || p->listener == nullptr) return log_errc::not_open;
    if (p->closed) return log_errc::closed;
    if (record_overhead_bytes + payload.size() > record_bytes_max) return log_errc::record_too_large;
    if (pending_bytes_ + payload.size() > options_.append_bytes_max) return log_errc::busy;
    message m;
    m.writer = p->writer;
    m.header = header;
    m.header.at = p->next++;
    m.header.writer = p->writer;
    m.header.time = std::max(p->last_time, home_.time().utc());
    m.payload = payload;
    p->last_time = m.header.time;
    pending_bytes_ += payload.size();
    const record_header stored = m.header;
    if (p->pending.empty()) {
        p->oldest = home_.time().steady();
        work_.notify_all();
    }
    p->pending.push_back(std::move(m));
    return stored;
}

void broker_log::hurry() {
    if (hurried_) return;
    hurried_ = true;
    work_.notify_all();
}

bool broker_log::is_due(const partition& p) const {
    if (p.closed || p.in_flight != 0) return false;
    const auto now = home_.time().steady();
    if (!p.pending.empty())
        return hurried_ || flushing_ > 0 || now - p.oldest >= runtime::microseconds(options_.batch_delay_us);
    return p.released > p.released_durable &&
           (flushing_ > 0 || now - p.release_since >= runtime::milliseconds(options_.release_delay_ms));
}

void broker_log::send_what_is_due() {
    for (auto& [id, p] : open_)
        if (p->listener != nullptr && is_due(*p)) send(*p);
}

task<void> broker_log::send_loop() {
    while (!stopping_) {
        send_what_is_due();
        const bool waiting = std::any_of(open_.begin(), open_.end(), [](const auto& entry) {
            const partition& p = *entry.second;
            return !p.closed && !p.pending.empty() && p.in_flight != 0;
        });
        // Who hurries also means what waits behind a request in flight.
        if (!waiting) hurried_ = false;
        auto deadline = runtime::steady_time::never();
        for (const auto& [id, p] : open_) {
            if (p->closed || p->in_flight != 0) continue;
            if (!p->pending.empty())
                deadline = std::min(deadline, p->oldest + runtime::microseconds(options_.batch_delay_us));
            if (p->released > p->released_durable)
                deadline = std::min(deadline, p->release_since + runtime::milliseconds(options_.release_delay_ms));
        }
        if (deadline == runtime::steady_time::never()) {
            co_await work_.wait();
        } else {
            static_cast<void>(co_await work_.wait_until(deadline));
        }
    }
    sending_ = false;
}

void broker_log::send(partition& p) {
    std::vector<message> messages;
    std::size_t bytes = 0;
    while (!p.pending.empty() && (messages.empty() || bytes + p.pending.front().bytes() <= send_bytes_max)) {
        bytes += p.pending.front().bytes();
        pending_bytes_ -= p.pending.front().payload.size();
        messages.push_back(std::move(p.pending.front()));
        p.pending.pop_front();
    }
    request_facts facts;
    facts.number = next_request_++;
    facts.records = messages.size();
    if (p.released > p.released_durable) {
        message release;
        release.kind = message_kind::release;
        release.writer = p.writer;
        release.low = facts.release_low = p.released;
        messages.push_back(std::move(release));
    }
    p.in_flight = facts.number;
    if (!p.pending.empty()) p.oldest = home_.time().steady();
    broker_.produce(home_, p.id, std::move(messages), [alive = alive_, id = p.id, facts](result<std::uint64_t> first) {
        if (*alive != nullptr) (*alive)->acknowledged(id, facts, first);
    });
    home_.timers().add(home_.time().steady() + runtime::milliseconds(options_.acknowledge_ms),
                       [alive = alive_, id = p.id, number = facts.number] {
                           partition* const mine = *alive == nullptr ? nullptr : (*alive)->find(id);
                           if (mine == nullptr || mine->closed || mine->in_flight != number) return;
                           (*alive)->close_under_us(*mine);
                       });
}

void broker_log::acknowledged(partition_id id, const request_facts& facts, result<std::uint64_t> first) {
    partition* const p = find(id);
    // An answer that comes after its outcome was given up changes nothing.
    if (p == nullptr || p->closed || p->in_flight != facts.number) return;
    if (first.has_error() || *first != p->broker_next) {
        // Somebody else has written, or we don't know what is there.
        close_under_us(*p);
        return;
    }
    p->in_flight = 0;
    p->broker_next += facts.records + (facts.release_low > 0 ? 1 : 0);
    for (std::uint64_t i = 0; i < facts.records; ++i) p->places.push_back(*first + i);
    p->committed += facts.records;
    if (facts.records > 0) p->last_record_at = *first + facts.records - 1;
    if (facts.release_low > 0) {
        p->released_durable = facts.release_low;
        delete_released(*p);
    }
    progress_.notify_all();
    work_.notify_all();
    if (facts.records > 0) p->listener->committed(id, p->committed);
}

// The last record stays, so that a later life finds where offsets and time go on.
void broker_log::delete_released(const partition& p) {
    if (p.released != p.released_durable || p.committed == 0) return;
    broker_.delete_before(home_, p.id, p.places.empty() ? p.last_record_at : p.places.front());
}

void broker_log::close_under_us(partition& p) {
    p.closed = true;
    for (const message& m : p.pending) pending_bytes_ -= m.payload.size();
    p.pending.clear();
    progress_.notify_all();
    p.listener->failed(p.id, log_errc::closed);
}

void broker_log::release(partition_id id, offset below) {
    partition* const p = find(id);
    if (p == nullptr) return;
    below = std::min(below, p->committed + 1);
    if (below <= p->released) return;
    if (p->released == p->released_durable) p->release_since = home_.time().steady();
    while (p->released < below) {
        p->places.pop_front();
        ++p->released;
    }
    work_.notify_all();
}

task<result<void>> broker_log::close(std::vector<partition_id> ids) {
    const auto settled = [this](partition_id id) {
        const partition* p = find(id);
        return p == nullptr || p->closed || (p->committed + 1 == p->next && p->released_durable >= p->released);
    };
    ++flushing_;
    work_.notify_all();
    while (!std::all_of(ids.begin(), ids.end(), settled)) co_await progress_.wait();
    --flushing_;
    bool lost = false;
    for (const partition_id id : ids) {
        const partition* p = find(id);
        lost = lost || (p != nullptr && p->closed);
        open_.erase(id);
    }
    if (lost) co_return log_errc::closed;
    co_return result<void>();
}

task<void> broker_log::stop() {
    std::vector<partition_id> all;
    for (const auto& [id, p] : open_) all.push_back(id);
    static_cast<void>(co_await close(all));
    stopping_ = true;
    work_.notify_all();
    co_await gate_.close();
}

task<result<std::vector<record>>> broker_log::read(partition_id id, offset from, std::size_t bytes_max,
                                                   std::size_t count_max) {
    std::vector<record> out;
    const partition* p = find(id);
    if (p == nullptr) co_return log_errc::not_open;
    if (from < p->released) co_return log_errc::not_found;
    std::size_t bytes = 0;
    while (from <= p->committed && out.size() < std::max<std::size_t>(count_max, 1)) {
        const std::uint64_t at = p->places[from - p->released];
        auto messages = co_await fetch(id, at, bytes_max);
        for (stored_message& m : messages) {
            // It may have closed, or released more, while the answer was on its way.
            p = find(id);
            if (p == nullptr) co_return log_errc::not_open;
            if (from < p->released) co_return log_errc::not_found;
            if (from > p->committed || out.size() >= std::max<std::size_t>(count_max, 1)) co_return std::move(out);
            if (m.at != p->places[from - p->released]) continue;
            bytes += m.content.payload.size();
            if (!out.empty() && bytes > bytes_max) co_return std::move(out);
            out.push_back({m.content.header, std::move(m.content.payload)});
            ++from;
        }
        p = find(id);
        if (p == nullptr) co_return log_errc::not_open;
        if (from < p->released) co_return log_errc::not_found;
    }
    co_return std::move(out);
}

}  // namespace storage::simulated
