#include "runtime/base/time.hpp"

#include <cstdio>
#include <ctime>

namespace runtime {
namespace {

class machine_clock final : public clock {
  public:
    [[nodiscard]] utc_time utc() const override {
        const auto since = std::chrono::system_clock::now().time_since_epoch();
        return {std::chrono::duration_cast<microseconds>(since).count()};
    }
    [[nodiscard]] steady_time steady() const override {
        const auto since = std::chrono::steady_clock::now().time_since_epoch();
        return {std::chrono::duration_cast<nanoseconds>(since).count()};
    }
};

}  // namespace

const clock& system_clock() {
    static const machine_clock instance;
    return instance;
}

std::string to_rfc3339(utc_time time) {
    constexpr std::int64_t million = 1'000'000;
    std::int64_t whole = time.microseconds_since_epoch / million;
    std::int64_t fraction = time.microseconds_since_epoch % million;
    if (fraction < 0) {
        fraction += million;
        --whole;
    }
    const std::time_t unix_seconds = whole;
    std::tm parts{};
    gmtime_r(&unix_seconds, &parts);
    char text[48];
    const int length =
        std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", parts.tm_year + 1900, parts.tm_mon + 1,
                      parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, static_cast<int>(fraction));
    return {text, static_cast<std::size_t>(length)};
}

}  // namespace runtime
