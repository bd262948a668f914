#include "runtime/idle.hpp"

#include <memory>

#include "runtime/event.hpp"
#include "runtime/shard.hpp"

namespace runtime {
namespace {

struct moment {
    explicit moment(shard& home) : told(home) {}
    bool came = false;
    event told;
};

}  // namespace

task<void> until_idle(shard& home, nanoseconds at_most) {
    auto idle = std::make_shared<moment>(home);
    auto tell = [idle] {
        idle->came = true;
        idle->told.notify_all();
    };
    home.when_idle(std::move(tell), at_most);
    while (!idle->came) co_await idle->told.wait();
}

}  // namespace runtime
