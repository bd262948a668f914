#include "http/sse/stream_quota.hpp"

#include "runtime/base/assert.hpp"

namespace http::sse {

stream_quota::verdict stream_quota::take(const runtime::uuid& user) {
    if (open_ >= node_max_) return verdict::node_full;
    auto& mine = by_user_[user];
    if (user_max_ > 0 && mine >= user_max_) return verdict::user_full;
    ++mine;
    ++open_;
    return verdict::granted;
}

void stream_quota::give_back(const runtime::uuid& user) {
    const auto it = by_user_.find(user);
    WEIR_ASSERT(it != by_user_.end() && open_ > 0);
    --open_;
    if (--it->second == 0) by_user_.erase(it);
}

}  // namespace http::sse
