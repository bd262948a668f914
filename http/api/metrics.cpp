#include "http/api/metrics.hpp"

#include "runtime/collect_metrics.hpp"

namespace http::api {

runtime::task<response> metrics(environment& here, const request&) {
    response out;
    out.content_type = "text/plain; version=0.0.4; charset=utf-8";
    const auto collected = co_await runtime::collect_metrics(here.shards);
    out.body = runtime::render_prometheus(collected);
    co_return out;
}

}  // namespace http::api
