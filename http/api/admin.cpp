#include "http/api/admin.hpp"

#include "http/json_writer.hpp"

namespace http::api {

runtime::task<response> get_stuck(environment& here, const request& asked) {
    if (!asked.who.admin) {
        const problem why("not_allowed", {});
        co_return problem_response(why, asked.request_id);
    }
    const auto stuck = co_await here.engine.stuck();
    auto out = json_response(200, {});
    json_writer json(out.body);
    json.begin_object().key("items").begin_array();
    for (const auto& item : stuck) {
        json.begin_object().member("execution_id", std::string_view(item.id.to_string()));
        json.member("status", pipeline::to_string(item.status)).member("why", std::string_view(item.why)).end_object();
    }
    json.end_array().end_object();
    co_return out;
}

}  // namespace http::api
