#include "http/client/backoff.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "runtime/timer.hpp"

namespace http::client {

using runtime::milliseconds;

void backoff::failed() {
    if (failures_++ == 0) failing_since_ = home_.time().steady();
}

bool backoff::is_exhausted() const {
    return is_failing() && home_.time().steady() - failing_since_ > options_.give_up_after;
}

runtime::task<void> backoff::pause() {
    // The first pause is short; a stream that ended in order (a server that drains) costs one of those.
    const unsigned doublings = std::min(failures_ == 0 ? 0U : failures_ - 1, 16U);
    const auto grown = std::min(options_.first * (std::int64_t{1} << doublings), options_.max);
    const auto spread = milliseconds(
        static_cast<std::int64_t>(home_.random().below(static_cast<std::uint64_t>(grown.count() / 2 + 1))));
    const auto wanted = std::max(grown / 2 + spread, std::exchange(asked_, milliseconds(0)));
    co_await runtime::sleep_for(std::min(wanted, options_.give_up_after));
}

milliseconds retry_after(const response_head& head) {
    const std::string_view text = head.header("retry-after");
    std::int64_t seconds = 0;
    std::from_chars(text.data(), text.data() + text.size(), seconds);
    return milliseconds(std::clamp<std::int64_t>(seconds, 0, 3600) * 1000);
}

}  // namespace http::client
