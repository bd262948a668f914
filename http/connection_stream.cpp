// The part of a connection that becomes an event stream, where the execution is at home.
#include "http/connection.hpp"
#include "http/server.hpp"
#include "http/sse/event_stream.hpp"
#include "runtime/submit.hpp"

namespace http {

using runtime::task;

namespace {

problem too_many_streams(sse::stream_quota::verdict why, const server_limits& limits) {
    if (why == sse::stream_quota::verdict::node_full) {
        problem out("overloaded", "too many event streams");
        out.limit = "sse.connections_max";
        out.limit_value = limits.sse_connections_max;
        return out;
    }
    problem out("limited", "too many event streams of yours");
    out.limit = "sse.user_connections_max";
    out.limit_value = limits.sse_user_connections_max;
    return out;
}

}  // namespace

// The request is not answered here: the other shard gets the socket and reads the request again from what we have of
// it.
task<bool> connection::move_to(server& other) {
    std::string early(in_.view());
    // Submitted work owns what it needs; a callable that is moved across shards must be movable, not copyable.
    auto move = [&other, socket = wire_.release(), text = std::move(early)]() mutable {
        return other.adopt(std::move(socket), std::move(text));
    };
    moved_ = true;
    owner_.here().metrics.connections_moved.add();
    co_await runtime::submit(other.here().home, std::move(move));
    co_return false;
}

// Nothing: it has a place among the node's streams.
task<std::optional<problem>> connection::take_stream_place(runtime::uuid user) {
    auto& quota = owner_.first().quota();
    const auto take = [&quota, user] { return quota.take(user); };
    const auto granted = co_await runtime::submit(owner_.first().here().home, take);
    if (granted == sse::stream_quota::verdict::granted) co_return std::nullopt;
    auto why = too_many_streams(granted, owner_.here().config.limits);
    owner_.here().limit_reached(why.limit);
    co_return why;
}

task<void> connection::give_stream_place_back(runtime::uuid user) {
    auto& quota = owner_.first().quota();
    const auto give_back = [&quota, user] { quota.give_back(user); };
    co_await runtime::submit(owner_.first().here().home, give_back);
}

task<bool> connection::prepare_stream(response what, const pipeline::principal& who) {
    auto& here = owner_.here();
    const auto order = *what.stream;
    what.stream.reset();
    auto& home = here.engine.home_of(order.id);
    if (&home != &here.home) co_return co_await move_to(owner_.peer_on(home));
    if (!order.websocket_accept.empty()) co_return co_await attach(order, who);

    auto from = co_await here.engine.subscribe(who, order.id, order.after);
    if (from.has_error()) {
        const problem why(from.error());
        co_return co_await answer(problem_response(why, request_id_));
    }
    if (from.value() == nullptr) {
        response nothing_left;
        nothing_left.status = 204;
        co_return co_await answer(std::move(nothing_left));
    }
    const auto refused = co_await take_stream_place(who.user_id);
    if (refused) {
        from.value().reset();
        co_return co_await answer(problem_response(*refused, request_id_));
    }

    keep_alive_ = false;
    auto frame = frame_of(what);
    frame.chunked = true;
    what.add_field("Cache-Control", "no-store");
    what.add_field("X-Accel-Buffering", "no");
    granted_ = std::make_unique<granted_stream>();
    granted_->from = std::move(from.value());
    granted_->who = who;
    granted_->id = order.id;
    append_head(granted_->head, what, frame);
    co_return false;
}

task<bool> connection::stream() {
    auto& here = owner_.here();
    // Through the silence of a stream, a connection holds no more than it must.
    in_.take(in_.view().size());
    next_ = 0;
    in_.drop();
    std::string().swap(out_);

    const auto user = granted_->who.user_id;
    sse::event_stream stream(here, wire_, std::move(granted_->who), granted_->id, !head_.http_1_0);
    stream_ = &stream;
    here.metrics.streams.add();
    here.metrics.streams_open.add(1);
    if (here.draining) stream.drain();
    auto from = std::move(granted_->from);
    auto head = std::move(granted_->head);
    granted_.reset();
    const bool whole = co_await stream.run(owner_.gate(), std::move(from), std::move(head));
    stream_ = nullptr;
    here.metrics.streams_open.add(-1);
    co_await give_stream_place_back(user);
    if (!whole) wire_.cut();
    co_return false;
}

}  // namespace http
