#include "http/connection.hpp"

#include <array>

#include "http/attach/session.hpp"
#include "http/front_door/grammar.hpp"
#include "http/server.hpp"
#include "http/sse/event_stream.hpp"
#include "runtime/base/log.hpp"
#include "runtime/submit.hpp"

namespace http {

using front_door::refusal;
using runtime::milliseconds;
using runtime::steady_time;
using runtime::task;

namespace {

constexpr std::size_t read_bytes_min = 1024;           // room for one read of a head
constexpr std::size_t body_read_bytes = 64 * 1024;     // and of a body
constexpr std::size_t joined_body_max = 16 * 1024;     // an answer up to here goes out in one write with its head
constexpr std::size_t kept_bytes_max = 64 * 1024;      // buffers above this are given back after a request
constexpr std::size_t large_answer_bytes = 64 * 1024;  // answers above this count against http.answers_bytes_max
constexpr std::size_t json_padding = 64;               // spares the JSON reader a copy
constexpr unsigned requests_in_a_row = 64;             // then others have their turn

// The limit that a refusal tells of, if it does.
void name_limit(problem& what, refusal why, const server_limits& limits) {
    const auto name = [&what](const char* limit, std::uint64_t value) {
        what.limit = limit;
        what.limit_value = value;
    };
    switch (why) {
        case refusal::body_too_large: return name("http.body_bytes_max", limits.body.body_bytes_max);
        case refusal::target_too_long: return name("http.target_bytes_max", limits.head.target_bytes_max);
        case refusal::headers_too_large: return name("http.header_bytes_max", limits.head.head_bytes_max);
        case refusal::chunk_overhead_too_large:
            return name("http.chunk_overhead_bytes_max", limits.body.chunk_overhead_bytes_max);
        case refusal::too_many_bodies: return name("http.bodies_bytes_max", limits.bodies_bytes_max);
        default: return;
    }
}

bool is_sane_request_id(std::string_view text) {
    return !text.empty() && text.size() <= 128 && front_door::all(text, front_door::is_host_name);
}

response allow_response(std::string allow) {
    response out;
    out.status = 204;
    out.add_field("Allow", allow);
    return out;
}

}  // namespace

connection::connection(server& owner, tcp_socket socket, std::string_view early)
    : owner_(owner),
      wire_(owner.here().home, std::move(socket)),
      parser_(owner.here().config.limits.head),
      decoder_(owner.here().config.limits.body),
      place_(owner.enlist(*this)) {
    in_.append(early);
}

connection::~connection() {
    owner_.release_bodies(body_charged_);
    owner_.release_answers(answer_charged_);
    owner_.delist(place_);
}

steady_time connection::after_ms(std::uint64_t ms) const {
    return owner_.here().home.time().steady() + milliseconds(ms);
}

task<void> connection::run() {
    bool go_on = true;
    while (go_on) {
        const auto got = co_await read_head();
        if (got == step::refused) co_await refuse(refusal_);
        if (got != step::head_complete) break;
        go_on = co_await serve();
        // From out here, so that nothing of the request is kept through a stream's silence.
        if (granted_ != nullptr) go_on = co_await stream();
        after_request();
        // Much sent at once must not keep the shard from everybody else.
        if (++served_ % requests_in_a_row == 0 && !in_.view().empty()) co_await runtime::yield();
    }
    if (moved_) co_return;
    const auto& limits = owner_.here().config.limits;
    if (!co_await wire_.linger(milliseconds(limits.linger_ms), limits.linger_bytes_max))
        owner_.here().limit_reached("http.linger_bytes_max");
}

task<connection::step> connection::read_head() {
    const auto& limits = owner_.here().config.limits;
    parser_.reset();
    head_.clear();
    // A new connection has as long for its first request as a head may take; a kept one may rest longer.
    steady_time deadline = after_ms(served_ == 0 ? limits.header_deadline_ms : limits.idle_deadline_ms);
    bool begun = false;
    while (true) {
        if (!in_.view().empty()) {
            const auto state = parser_.parse(in_.view(), head_);
            if (state == front_door::head_parser::state::complete) co_return step::head_complete;
            if (state == front_door::head_parser::state::refused) {
                refusal_ = parser_.why();
                co_return step::refused;
            }
            if (parser_.begun() && !std::exchange(begun, true)) deadline = after_ms(limits.header_deadline_ms);
        }
        if (finishing_ && !begun) co_return step::ended;
        in_.make_room(read_bytes_min);
        waiting_ = true;
        const auto count = co_await wire_.read_some(in_.room(), in_.make_room(read_bytes_min), deadline);
        waiting_ = false;
        in_.filled(count);
        if (count > 0) continue;
        if (!wire_.expired() || !begun) co_return step::ended;
        owner_.here().limit_reached("http.header_deadline_ms");
        refusal_ = refusal::request_timeout;
        co_return step::refused;
    }
}

void connection::choose_request_id(const front_door::head_view* head) {
    if (head != nullptr) {
        const auto sent = head->field("x-request-id");
        if (sent && is_sane_request_id(*sent)) {
            request_id_.assign(*sent);
            return;
        }
    }
    constexpr std::string_view digits = "0123456789abcdef";
    std::uint64_t bits = owner_.here().home.random().next();
    request_id_.resize(16);
    for (auto& c : request_id_) {
        c = digits[bits & 15];
        bits >>= 4;
    }
}

task<bool> connection::serve() {
    auto& here = owner_.here();
    here.metrics.requests.add();
    next_ = parser_.consumed();
    keep_alive_ = head_.keep_alive && !finishing_;
    const front_door::head_view early(head_, in_.base());
    choose_request_id(&early);
    auto found = match(head_.verb, early.path());
    auto body = head_.has_body() ? begin_body(found) : body_state::complete;
    if (body == body_state::more) body = co_await read_body();
    if (body == body_state::refused) co_await refuse(refusal_);
    if (body != body_state::complete) co_return false;
    // The buffer may have moved with the body; from here on it rests.
    const front_door::head_view head(head_, in_.base());
    const auto& who = owner_.who().authenticate(head);
    request asked(head, body_, request_id_, who, *this);
    asked.parameters = std::move(found.parameters);
    response made;
    if (found.found == nullptr) {
        made = no_route(found, head.path());
    } else {
        try {
            made = co_await found.found->run(here, asked);
        } catch (const std::exception& failure) {
            made = broken(found, failure.what());
        }
    }
    if (made.stream && head_.verb == front_door::method::get) co_return co_await prepare_stream(std::move(made), who);
    const auto left = begin_answer(made);
    if (left.none()) co_return keep_alive_;
    co_return co_await finish_answer(std::move(made), left);
}

connection::body_state connection::begin_body(const route_match& found) {
    refusal_ = decoder_.begin(head_);
    if (refusal_ != refusal::none) return body_state::refused;
    const bool wanted = found.found != nullptr && found.found->takes_body;
    const bool is_here = head_.content_length && in_.view().size() >= next_ + head_.content_length;
    if (!wanted && (head_.expects_continue || !is_here)) {
        // Nobody wants this body, so nobody waits for it: answer, and end the connection behind it.
        keep_alive_ = false;
        return body_state::complete;
    }
    body_.reserve(std::min<std::uint64_t>(head_.content_length, body_read_bytes) + json_padding);
    return decode_body();
}

// What of the body is in the buffer.
connection::body_state connection::decode_body() {
    const auto state = decoder_.decode(in_.view().substr(next_), body_);
    next_ += decoder_.consumed();
    if (!grow_body_charge()) refusal_ = refusal::too_many_bodies;
    if (state == front_door::body_decoder::state::refused) refusal_ = decoder_.why();
    if (refusal_ != refusal::none) return body_state::refused;
    return state == front_door::body_decoder::state::complete ? body_state::complete : body_state::more;
}

// Behind decode_body(), as long as there is more of it. Where it is refused refusal_ says why.
task<connection::body_state> connection::read_body() {
    auto& here = owner_.here();
    const auto& limits = here.config.limits;
    const std::size_t head_size = parser_.consumed();
    const auto begin = here.home.time().steady();
    if (head_.expects_continue && next_ == head_size) {
        const bool asked =
            co_await wire_.write("HTTP/1.1 100 Continue\r\n\r\n", milliseconds(limits.write_deadline_ms));
        if (!asked) co_return body_state::ended;
    }
    while (true) {
        // Everything behind the head was used: it makes room for more.
        in_.truncate(head_size);
        next_ = head_size;
        const auto earned =
            runtime::seconds(body_.size() / std::max<std::uint64_t>(1, limits.body_rate_min_bytes_per_s));
        const auto whole = begin + milliseconds(limits.body_deadline_ms) + earned;
        const auto deadline = std::min(whole, after_ms(limits.body_idle_ms));
        const auto wanted = head_.chunked ? body_read_bytes : head_.content_length - body_.size();
        in_.make_room(std::clamp<std::size_t>(wanted, read_bytes_min, body_read_bytes));
        const auto count = co_await wire_.read_some(in_.room(), in_.make_room(1), deadline);
        in_.filled(count);
        if (count == 0) break;
        const auto state = decode_body();
        if (state != body_state::more) co_return state;
    }
    if (!wire_.expired()) co_return body_state::ended;
    here.limit_reached("http.body_deadline_ms");
    refusal_ = refusal::request_timeout;
    co_return body_state::refused;
}

bool connection::grow_body_charge() {
    const auto size = body_.capacity();
    if (size <= body_charged_) return true;
    if (!owner_.charge_bodies(size - body_charged_)) return false;
    body_charged_ = size;
    return true;
}

response connection::no_route(const route_match& found, std::string_view path) const {
    if (found.allow.empty() && path != "*") {
        const problem why("not_found", "there is nothing at this path");
        return problem_response(why, request_id_);
    }
    if (head_.verb == front_door::method::options)
        return allow_response(found.allow.empty() ? "GET, HEAD, POST, OPTIONS" : found.allow);
    problem why("method_not_allowed", {});
    why.allow = found.allow;
    return problem_response(why, request_id_);
}

response connection::broken(const route_match& found, const char* why) const {
    runtime::log(runtime::log_level::error, "a request failed",
                 {{"route", found.found->name}, {"request_id", request_id_}, {"why", why}});
    const problem internal("internal", {});
    return problem_response(internal, request_id_);
}

answer_frame connection::frame_of(const response& what) {
    if (what.close || finishing_) keep_alive_ = false;
    answer_frame frame;
    frame.request_id = request_id_;
    frame.date = owner_.date();
    frame.http_1_0 = head_.http_1_0;
    frame.head_only = head_.verb == front_door::method::head;
    frame.chunked = what.source != nullptr && !frame.head_only;
    if (frame.chunked && frame.http_1_0) keep_alive_ = false;
    frame.keep_alive = keep_alive_;
    const auto family = static_cast<std::size_t>(what.status / 100);
    owner_.here().metrics.answers[family < 6 ? family : 0]->add();
    return frame;
}

bool connection::charge_answer(const response& what) {
    const auto size = what.body.size() + (what.source ? what.source->size() : 0);
    if (size < large_answer_bytes) return true;
    if (!owner_.charge_answers(size)) return false;
    answer_charged_ += size;
    return true;
}

// True if the connection goes on.
task<bool> connection::answer(response what) {
    const auto left = begin_answer(what);
    if (left.none()) co_return keep_alive_;
    co_return co_await finish_answer(std::move(what), left);
}

// As much as the socket takes, which nearly always is all.
connection::unsent connection::begin_answer(response& what) {
    if (!charge_answer(what)) {
        owner_.here().limit_reached("http.answers_bytes_max");
        problem full("overloaded", "too many large answers are on their way");
        full.limit = "http.answers_bytes_max";
        full.limit_value = owner_.here().config.limits.answers_bytes_max;
        what = problem_response(full, request_id_);
    }
    const auto frame = frame_of(what);
    out_.clear();
    append_head(out_, what, frame);
    unsent left;
    left.pieces = frame.chunked;
    if (left.pieces) return left;
    const bool with_body = !frame.head_only && what.status != 204 && what.status != 304;
    const bool joined = with_body && what.body.size() <= joined_body_max;
    if (joined) out_ += what.body;
    left.body = with_body && !joined;
    left.joined = out_;
    left.failed = !wire_.send_now(left.joined);
    return left;
}

task<bool> connection::finish_answer(response what, unsent left) {
    if (left.pieces) co_return co_await answer_pieces(std::move(what));
    const auto idle = milliseconds(owner_.here().config.limits.write_deadline_ms);
    bool sent = !left.failed;
    if (sent && !left.joined.empty()) sent = co_await wire_.write(left.joined, idle);
    if (sent && left.body) sent = co_await wire_.write(what.body, idle);
    if (!sent && wire_.expired()) owner_.here().limit_reached("http.write_deadline_ms");
    co_return (sent && keep_alive_);
}

// Behind the head, which is in out_.
task<bool> connection::answer_pieces(response what) {
    const auto idle = milliseconds(owner_.here().config.limits.write_deadline_ms);
    std::string piece;
    bool more = true;
    while (more) {
        piece.clear();
        more = what.source->next(piece);
        if (!piece.empty()) {
            if (head_.http_1_0) {
                out_ += piece;
            } else {
                append_chunk(out_, piece);
            }
        }
        if (!more && !head_.http_1_0) out_ += last_chunk;
        if (!co_await wire_.write(out_, idle)) {
            if (wire_.expired()) owner_.here().limit_reached("http.write_deadline_ms");
            // Half an answer: the client must not take it for whole.
            wire_.cut();
            co_return false;
        }
        out_.clear();
    }
    co_return keep_alive_;
}

task<void> connection::refuse(refusal why) {
    auto& here = owner_.here();
    here.metrics.refusals.add();
    choose_request_id(nullptr);
    problem what(kind_of(why));
    name_limit(what, why, here.config.limits);
    if (!what.limit.empty()) here.limit_reached(what.limit);
    auto made = problem_response(what, request_id_);
    made.close = true;
    co_await answer(std::move(made));
}

void connection::after_request() {
    in_.take(next_);
    next_ = 0;
    body_.clear();
    if (body_.capacity() > kept_bytes_max) std::string().swap(body_);
    owner_.release_bodies(std::exchange(body_charged_, 0));
    owner_.release_answers(std::exchange(answer_charged_, 0));
    if (out_.capacity() > kept_bytes_max) std::string().swap(out_);
    in_.shrink();
}

void connection::drain() {
    if (stream_ != nullptr) stream_->drain();
    if (session_ != nullptr) session_->drain();
}

void connection::finish() {
    finishing_ = true;
    drain();
    if (waiting_) wire_.cancel();
}

void connection::cut() {
    if (stream_ != nullptr) stream_->abandon();
    if (session_ != nullptr) session_->abandon();
    wire_.cut();
}

}  // namespace http
