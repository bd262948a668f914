// One client's connection: requests in, answers out, in order, until one side has enough.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "http/front_door/body_decoder.hpp"
#include "http/front_door/head_parser.hpp"
#include "http/input_buffer.hpp"
#include "http/message/response.hpp"
#include "http/request.hpp"
#include "http/router.hpp"
#include "http/wire.hpp"
#include "runtime/task.hpp"

namespace http {

class server;
namespace attach {
class session;
}
namespace sse {
class event_stream;
}

// Shard: its server's only. Owned by the coroutine that runs it; the server knows it for its stop.
class connection final : public client_link {
  public:
    // `early` was already read from the socket, on another shard.
    connection(server& owner, tcp_socket socket, std::string_view early);
    ~connection() override;
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    // Ends when the connection has.
    runtime::task<void> run();

    // A stream is told to end with its `drain` event. Others go on: they get 503 for new work.
    void drain();
    // Ends the connection behind the answer that is being made, at once if none is.
    void finish();
    // Cuts it, whatever it does.
    void cut();

    [[nodiscard]] bool gone() const override { return wire_.at_end(); }

  private:
    enum class step : unsigned char { head_complete, refused, ended };
    enum class body_state : unsigned char { complete, more, refused, ended };  // ended: the client has gone
    // Of an answer.
    struct unsent {
        std::string_view joined;  // of out_: its head, and a small body
        bool body = false;        // and then all of a large one
        bool pieces = false;      // or all of one that is made piece by piece
        bool failed = false;
        [[nodiscard]] bool none() const { return joined.empty() && !body && !pieces && !failed; }
    };
    // A stream that was asked for, and may begin.
    struct granted_stream {
        std::unique_ptr<pipeline::subscription> from;
        pipeline::principal who;
        runtime::execution_id id;
        std::string head;
    };

    runtime::task<step> read_head();
    runtime::task<bool> serve();
    runtime::task<body_state> read_body();
    runtime::task<bool> answer(response what);
    runtime::task<bool> finish_answer(response what, unsent left);
    runtime::task<bool> answer_pieces(response what);
    runtime::task<bool> prepare_stream(response what, const pipeline::principal& who);
    runtime::task<bool> stream();
    runtime::task<bool> attach(stream_order order, const pipeline::principal& who);
    runtime::task<std::optional<problem>> take_stream_place(runtime::uuid user);
    runtime::task<void> give_stream_place_back(runtime::uuid user);
    runtime::task<bool> move_to(server& other);
    runtime::task<void> refuse(front_door::refusal why);

    body_state begin_body(const route_match& found);
    body_state decode_body();
    [[nodiscard]] response no_route(const route_match& found, std::string_view path) const;
    [[nodiscard]] response broken(const route_match& found, const char* why) const;
    unsent begin_answer(response& what);
    bool charge_answer(const response& what);
    bool grow_body_charge();
    void choose_request_id(const front_door::head_view* head);
    [[nodiscard]] answer_frame frame_of(const response& what);
    [[nodiscard]] runtime::steady_time after_ms(std::uint64_t ms) const;
    void after_request();

    server& owner_;
    wire wire_;
    input_buffer in_;
    front_door::head_parser parser_;
    front_door::request_head head_;
    front_door::body_decoder decoder_;
    front_door::refusal refusal_ = front_door::refusal::none;
    std::string body_;
    std::size_t body_charged_ = 0;
    std::size_t answer_charged_ = 0;
    std::size_t next_ = 0;  // where in the buffer the next request begins
    std::string out_;
    std::string request_id_;
    unsigned served_ = 0;
    bool waiting_ = false;    // for a request
    bool finishing_ = false;  // after this answer it is enough
    bool keep_alive_ = true;
    bool moved_ = false;
    std::unique_ptr<granted_stream> granted_;
    sse::event_stream* stream_ = nullptr;
    attach::session* session_ = nullptr;
    std::list<connection*>::iterator place_;
};

}  // namespace http
