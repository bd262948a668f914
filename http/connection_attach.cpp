// The part of a connection that becomes a WebSocket to a program, where the execution is at home.
#include "http/attach/session.hpp"
#include "http/connection.hpp"
#include "http/server.hpp"

namespace http {

using runtime::task;

task<bool> connection::attach(stream_order order, const pipeline::principal& who) {
    auto& here = owner_.here();
    auto made = co_await here.engine.attach(who, order.id, order.after);
    if (made.has_error()) {
        const problem why(made.error());
        co_return co_await answer(problem_response(why, request_id_));
    }
    const auto refused = co_await take_stream_place(who.user_id);
    if (refused) co_return co_await answer(problem_response(*refused, request_id_));

    keep_alive_ = false;
    here.metrics.answers[1]->add();
    std::string head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    head.append("Sec-WebSocket-Accept: ").append(order.websocket_accept).append("\r\n");
    head.append("X-Request-Id: ").append(request_id_).append("\r\n\r\n");
    // A client may speak before it has our answer.
    std::string early(in_.view().substr(next_));
    in_.take(in_.view().size());
    next_ = 0;
    in_.drop();
    std::string().swap(out_);

    attach::session session(here, wire_, who, order.id, std::move(made.value()));
    session_ = &session;
    here.metrics.attachments.add();
    here.metrics.attached.add(1);
    if (here.draining) session.drain();
    const bool whole = co_await session.run(owner_.gate(), std::move(head), std::move(early));
    session_ = nullptr;
    here.metrics.attached.add(-1);
    co_await give_stream_place_back(who.user_id);
    if (!whole) wire_.cut();
    co_return false;
}

}  // namespace http
