#include "http/api/documents.hpp"

#include "http/api/openapi.hpp"
#include "http/json_writer.hpp"

namespace http::api {

runtime::task<response> openapi(environment&, const request&) {
    auto out = json_response(200, std::string(openapi_json()));
    out.add_field("Cache-Control", "public, max-age=300");
    co_return out;
}

runtime::task<response> get_problem(environment&, const request& asked) {
    const auto* const kind = find_problem_kind(asked.parameters[0]);
    if (kind == nullptr) {
        const problem unknown("not_found", "there is no such problem");
        co_return problem_response(unknown, asked.request_id);
    }
    auto out = json_response(200, {});
    json_writer json(out.body);
    json.begin_object().member("type", "/problems/" + std::string(kind->code)).member("code", kind->code);
    json.member("title", kind->title).member("status", std::uint64_t{kind->status});
    json.member("retryable", kind->retryable).member("description", kind->description).end_object();
    co_return out;
}

}  // namespace http::api
