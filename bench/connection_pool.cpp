#include "bench/connection_pool.hpp"

namespace bench {
namespace {

http::client::connection_options small_reads() {
    http::client::connection_options out;
    out.read_bytes = 8 << 10;
    return out;
}

}  // namespace

struct connection_pool::waiter {
    runtime::event turn;
    std::unique_ptr<http::client::connection> given;

    explicit waiter(runtime::shard& home) : turn(home) {}
};

connection_pool::connection_pool(runtime::shard& home, http::client::url server, std::size_t limit)
    : home_(home), server_(std::move(server)), limit_(limit) {}

runtime::task<connection_pool::lease> connection_pool::take() {
    if (!idle_.empty()) {
        auto last = std::move(idle_.back());
        idle_.pop_back();
        if (home_.time().steady() - last.since > idle_max) last.which->close();
        co_return lease(*this, std::move(last.which));
    }
    if (made_ < limit_) {
        ++made_;
        co_return lease(*this, std::make_unique<http::client::connection>(home_, server_, small_reads()));
    }
    waiter self(home_);
    waiting_.push_back(&self);
    try {
        while (!self.given) co_await self.turn.wait();
    } catch (...) {
        waiting_.remove(&self);
        if (self.given) give_back(std::move(self.given));
        throw;
    }
    co_return lease(*this, std::move(self.given));
}

void connection_pool::give_back(std::unique_ptr<http::client::connection> which) {
    if (waiting_.empty()) {
        idle_.push_back({std::move(which), home_.time().steady()});
        return;
    }
    waiter* const next = waiting_.front();
    waiting_.pop_front();
    next->given = std::move(which);
    next->turn.notify_all();
}

}  // namespace bench
