// Clients that type to a running program.
#include "pipeline/engine_service.hpp"

namespace pipeline {
namespace {

failure refused(failure_code code, std::string detail) {
    failure out;
    out.code = code;
    out.detail = std::move(detail);
    return out;
}

}  // namespace

task<outcome<attachment>> engine_service::attach(principal who, execution_id id, std::uint32_t after) {
    auto events = co_await subscribe(who, id, after);
    if (!events) co_return events.error();
    const auto e = open_one(who, id);
    if (e && !e->input) co_return refused(failure_code::not_interactive, "the request had no interactive");
    // Without `e` the archive has it, which does not know whether it was interactive.
    if (!e || e->is_ended() || *events == nullptr)
        co_return refused(failure_code::already_finished, "nobody reads any more; its events are all there is");
    if (e->input->clients() >= attach_clients_max)
        co_return limited(failure_code::limited, "attach.clients_max", attach_clients_max,
                          "too many clients are attached to this execution");
    co_return attachment(std::move(*events), live_input::client(e->input));
}

}  // namespace pipeline
