#include "http/api/health.hpp"

#include "http/query.hpp"

namespace http::api {

runtime::task<response> livez(environment&, const request&) { co_return text_response(200, "ok\n"); }

runtime::task<response> readyz(environment& here, const request& asked) {
    const bool ready = here.engine.ready();
    const auto parameters = query::parse(asked.head.query());
    const bool verbose = parameters && parameters->find("verbose") != nullptr;
    if (ready && !here.draining && !verbose) co_return text_response(200, "ok\n");
    const auto code = here.draining ? "draining" : "not_ready";
    if (!verbose) {
        const problem why(code, here.draining ? std::string() : here.engine.describe());
        co_return problem_response(why, asked.request_id);
    }
    std::string text = ready ? "[+] engine ok\n" : "[-] engine not ready\n";
    text += here.draining ? "[-] draining\n" : "[+] not draining\n";
    text += here.engine.describe();
    if (text.back() != '\n') text += '\n';
    const bool passed = ready && !here.draining;
    text += passed ? "readyz check passed\n" : "readyz check failed\n";
    auto out = text_response(passed ? 200 : 503, std::move(text));
    if (!passed) out.add_field("Retry-After", "1");
    co_return out;
}

}  // namespace http::api
