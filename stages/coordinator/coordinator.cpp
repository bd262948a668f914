#include "stages/coordinator/coordinator.hpp"

#include "runtime/base/assert.hpp"
#include "runtime/base/marks.hpp"
#include "runtime/base/planted_bug.hpp"

namespace stages::coordinator {

void coordinator::enqueue(pipeline::execution& e) {
    WEIR_ASSERT(!e.place_in_queue && !e.has_seat);
    e.place_in_queue = queue_.push(e.spec.priority, e.id);
    hand_out();
}

bool coordinator::leave(pipeline::execution& e) {
    if (!e.place_in_queue) return false;
    WEIR_SOMETIMES(e.cancellation_requested, "a cancelled execution left the queue");
    queue_.remove(*e.place_in_queue);
    e.place_in_queue.reset();
    return true;
}

void coordinator::vacate(pipeline::execution& e) {
    WEIR_ALWAYS(e.has_seat && seated_ > 0, "who leaves a seat had one");
    e.has_seat = false;
    if (runtime::planted(runtime::planted_bug::seat_kept)) return;
    --seated_;
    hand_out();
}

void coordinator::hand_out() {
    while (!closed_ && (seats_ == 0 || seated_ < seats_)) {
        const auto next = queue_.pop();
        if (!next) return;
        auto e = table_.find(*next);
        WEIR_ALWAYS(e != nullptr, "who waits for a seat is in the table");
        e->place_in_queue.reset();
        e->has_seat = true;
        ++seated_;
        tell_(std::move(e));
    }
    WEIR_SOMETIMES(!closed_ && queue_.size() > 0, "an execution waited for a seat");
}

std::optional<std::uint64_t> coordinator::position(const pipeline::execution& e) const {
    if (!e.place_in_queue) return std::nullopt;
    return queue_.position(*e.place_in_queue);
}

}  // namespace stages::coordinator
