#include "runtime/gate.hpp"

#include "runtime/base/assert.hpp"
#include "runtime/shard.hpp"

namespace runtime {

gate::~gate() { WEIR_ASSERT(count_ == 0); }

task<void> gate::close() {
    closed_ = true;
    while (count_ > 0) co_await emptied_.wait();
}

void gate::leave() {
    if (--count_ == 0) emptied_.notify_all();
}

}  // namespace runtime
