// Kept-alive connections to the server, lent one call at a time.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "http/client/connection.hpp"
#include "runtime/event.hpp"

namespace bench {

// Shard: its owner only. At most `limit` connections; who comes when all are lent waits its turn.
class connection_pool {
  public:
    connection_pool(runtime::shard& home, http::client::url server, std::size_t limit);

    // Gives the connection back when it goes.
    class lease {
      public:
        lease(connection_pool& pool, std::unique_ptr<http::client::connection> which)
            : pool_(&pool), which_(std::move(which)) {}
        lease(lease&& other) noexcept = default;
        lease& operator=(lease&&) = delete;
        lease(const lease&) = delete;
        lease& operator=(const lease&) = delete;
        ~lease() {
            if (which_) pool_->give_back(std::move(which_));
        }
        http::client::connection& operator*() const { return *which_; }
        http::client::connection* operator->() const { return which_.get(); }

      private:
        connection_pool* pool_;
        std::unique_ptr<http::client::connection> which_;
    };

    // A server closes what is idle for long, and a post that meets that moment is lost: connections older than this are
    // made anew.
    static constexpr runtime::seconds idle_max{15};

    runtime::task<lease> take();
    [[nodiscard]] std::size_t made() const { return made_; }

  private:
    void give_back(std::unique_ptr<http::client::connection> which);

    runtime::shard& home_;
    http::client::url server_;
    std::size_t limit_;
    std::size_t made_ = 0;
    struct idle_connection {
        std::unique_ptr<http::client::connection> which;
        runtime::steady_time since;
    };
    std::vector<idle_connection> idle_;
    // Each waits for its own turn: waking all for every connection would cost the square of them.
    struct waiter;
    std::list<waiter*> waiting_;
};

}  // namespace bench
