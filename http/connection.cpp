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
    if (head_.has_body()) {
        refusal_ = decoder_.begin(head_);
        const bool wanted = found.found != nullptr && found.found->takes_body;
        if (refusal_ == refusal::none && !wanted &&
            (head_.expects_continue || !head_.content_length || in_.view().size() < next_ + head_.content_length)) {
            // Nobody wants this body, so nobody waits for it: answer, and end the connection behind it.
            keep_alive_ = false;
        } else if (refusal_ == refusal::none) {
            bool ended = false;
            if (!co_await read_body(ended) && ended) co_return false;
        }
        if (refusal_ != refusal::none) {
            co_await refuse(refusal_);
            co_return false;
        }
    }
    // The buffer may have moved with the body; from here on it rests.
    const front_door::head_view head(head_, in_.base());
    const auto& who = owner_.who().authenticate(head);
    request asked(head, body_, request_id_, who, *this);
    asked.parameters = std::move(found.parameters);
    auto made = co_await handle(asked, found);
    if (made.stream && head_.verb == front_door::method::get) co_return co_await prepare_stream(std::move(made), who);
    co_return co_await answer(std::move(made));
}

// False if it was refused (refusal_ says why) or the client has gone (`ended`).
task<bool> connection::read_body(bool& ended) {
    auto& here = owner_.here();
    const auto& limits = here.config.limits;
    const std::size_t head_size = next_;
    const auto begin = here.home.time().steady();
    body_.reserve(std::min<std::uint64_t>(head_.content_length, body_read_bytes) + json_padding);
    bool must_ask = head_.expects_continue;
    while (true) {
        const auto state = decoder_.decode(in_.view().substr(next_), body_);
        next_ += decoder_.consumed();
        if (!grow_body_charge()) refusal_ = refusal::too_many_bodies;
        if (state == front_door::body_decoder::state::refused) refusal_ = decoder_.why();
        if (refusal_ != refusal::none) co_return false;
        if (state == front_door::body_decoder::state::complete) co_return true;
        if (must_ask && next_ == head_size && body_.empty()) {
            if (!co_await wire_.write("HTTP/1.1 100 Continue\r\n\r\n", milliseconds(limits.write_deadline_ms))) break;
        }
        must_ask = false;
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
        if (count > 0) continue;
        if (!wire_.expired()) break;
        here.limit_reached("http.body_deadline_ms");
        refusal_ = refusal::request_timeout;
        co_return false;
    }
    ended = true;
    co_return false;
}

bool connection::grow_body_charge() {
    const auto size = body_.capacity();
    if (size <= body_charged_) return true;
    if (!owner_.charge_bodies(size - body_charged_)) return false;
    body_charged_ = size;
    return true;
}

task<response> connection::handle(const request& asked, const route_match& found) {
    if (found.found == nullptr) {
        if (found.allow.empty() && asked.head.path() != "*") {
            const problem why("not_found", "there is nothing at this path");
            co_return problem_response(why, request_id_);
        }
        if (head_.verb == front_door::method::options)
            co_return allow_response(found.allow.empty() ? "GET, HEAD, POST, OPTIONS" : found.allow);
        problem why("method_not_allowed", {});
        why.allow = found.allow;
        co_return problem_response(why, request_id_);
    }
    std::string broken;
    try {
        co_return co_await found.found->run(owner_.here(), asked);
    } catch (const std::exception& failure) {
        broken = failure.what();
    }
    runtime::log(runtime::log_level::error, "a request failed",
                 {{"route", found.found->name}, {"request_id", request_id_}, {"why", broken}});
    const problem why("internal", {});
    co_return problem_response(why, request_id_);
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
    if (!charge_answer(what)) {
        owner_.here().limit_reached("http.answers_bytes_max");
        problem full("overloaded", "too many large answers are on their way");
        full.limit = "http.answers_bytes_max";
        full.limit_value = owner_.here().config.limits.answers_bytes_max;
        what = problem_response(full, request_id_);
    }
    const auto frame = frame_of(what);
    if (frame.chunked) co_return co_await answer_pieces(std::move(what), frame);
    out_.clear();
    append_head(out_, what, frame);
    const bool with_body = !frame.head_only && what.status != 204 && what.status != 304;
    const bool joined = with_body && what.body.size() <= joined_body_max;
    if (joined) out_ += what.body;
    const auto idle = milliseconds(owner_.here().config.limits.write_deadline_ms);
    std::string_view bytes = out_;
    bool sent = wire_.send_now(bytes);
    if (sent && !bytes.empty()) sent = co_await wire_.write(bytes, idle);
    if (sent && with_body && !joined) sent = co_await wire_.write(what.body, idle);
    if (!sent && wire_.expired()) owner_.here().limit_reached("http.write_deadline_ms");
    co_return (sent && keep_alive_);
}

task<bool> connection::answer_pieces(response what, answer_frame frame) {
    const auto idle = milliseconds(owner_.here().config.limits.write_deadline_ms);
    out_.clear();
    append_head(out_, what, frame);
    std::string piece;
    bool more = true;
    while (more) {
        piece.clear();
        more = what.source->next(piece);
        if (!piece.empty()) {
            if (frame.http_1_0) {
                out_ += piece;
            } else {
                append_chunk(out_, piece);
            }
        }
        if (!more && !frame.http_1_0) out_ += last_chunk;
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
