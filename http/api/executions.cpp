#include "http/api/executions.hpp"

#include "http/api/output.hpp"
#include "http/api/render.hpp"

namespace http::api {
namespace {

using runtime::task;

template <class T>
response failed(pipeline::outcome<T>& what, const request& asked) {
    return problem_response(problem(std::move(what.error())), asked.request_id);
}

task<response> get_output(environment& here, const request& asked, pipeline::stream which) {
    const auto id = pipeline::execution_id::parse(asked.parameters[0]);
    if (!id) co_return no_such_execution(asked);
    auto view = co_await here.engine.result_of(asked.who, *id);
    if (view.has_error()) co_return failed(view, asked);
    auto& result = view.value();
    auto& bytes = which == pipeline::stream::standard_output ? result.standard_output : result.standard_error;
    co_return output_response(asked, *id, pipeline::to_string(which), std::move(bytes));
}

// As the result has it: decimal, from 1. 0 for what is none.
std::uint32_t artifact_number(std::string_view text) {
    if (text.empty() || text.size() > 4 || text.front() == '0') return 0;
    std::uint32_t out = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return 0;
        out = out * 10 + static_cast<std::uint32_t>(c - '0');
    }
    return out;
}

}  // namespace

response no_such_execution(const request& asked) {
    return problem_response(problem("not_found", "there is no such execution"), asked.request_id);
}

task<response> get_execution(environment& here, const request& asked) {
    const auto id = pipeline::execution_id::parse(asked.parameters[0]);
    if (!id) co_return no_such_execution(asked);
    auto view = co_await here.engine.find(asked.who, *id);
    if (view.has_error()) co_return failed(view, asked);
    auto out = json_response(200, {});
    json_writer json(out.body);
    write_execution(json, view.value());
    co_return out;
}

task<response> get_result(environment& here, const request& asked) {
    const auto id = pipeline::execution_id::parse(asked.parameters[0]);
    if (!id) co_return no_such_execution(asked);
    auto view = co_await here.engine.result_of(asked.who, *id);
    if (view.has_error()) co_return failed(view, asked);
    co_return result_response(std::move(view.value()));
}

task<response> get_stdout(environment& here, const request& asked) {
    co_return co_await get_output(here, asked, pipeline::stream::standard_output);
}

task<response> get_stderr(environment& here, const request& asked) {
    co_return co_await get_output(here, asked, pipeline::stream::standard_error);
}

task<response> get_artifact(environment& here, const request& asked) {
    const auto id = pipeline::execution_id::parse(asked.parameters[0]);
    if (!id) co_return no_such_execution(asked);
    const auto number = artifact_number(asked.parameters[1]);
    auto bytes = co_await here.engine.artifact_of(asked.who, *id, number);
    if (bytes.has_error()) co_return failed(bytes, asked);
    co_return output_response(asked, *id, "artifact-" + std::to_string(number), std::move(bytes.value()));
}

task<response> cancel_execution(environment& here, const request& asked) {
    const auto id = pipeline::execution_id::parse(asked.parameters[0]);
    if (!id) co_return no_such_execution(asked);
    auto done = co_await here.engine.cancel(asked.who, *id);
    if (done.has_error()) co_return failed(done, asked);
    auto out = json_response(202, {});
    json_writer json(out.body);
    json.begin_object().member("execution_id", id->to_string());
    json.member("status", "cancellation_requested").end_object();
    co_return out;
}

}  // namespace http::api
