#include "http/environment.hpp"

namespace http {

server_metrics::server_metrics(runtime::metrics_registry& r)
    : registry(r),
      connections_open(r.make_gauge("weir_http_connections_open", "Connections of clients.")),
      connections_accepted(r.make_counter("weir_http_connections_accepted_total", "Connections accepted.")),
      connections_moved(r.make_counter("weir_http_connections_moved_total",
                                       "Connections that moved to the shard of the execution they stream.")),
      accept_pauses(r.make_counter("weir_http_accept_pauses_total",
                                   "Pauses in accepting, for want of file descriptors or memory.")),
      requests(r.make_counter("weir_http_requests_total", "Requests whose head was complete and well formed.")),
      refusals(r.make_counter("weir_http_refusals_total", "Requests that the front door refused.")),
      answers(),
      streams_open(r.make_gauge("weir_sse_streams_open", "Event streams being sent.")),
      streams(r.make_counter("weir_sse_streams_total", "Event streams begun.")),
      events_sent(r.make_counter("weir_sse_events_sent_total", "Events written to subscribers.")),
      events_rendered(r.make_counter("weir_sse_events_rendered_total",
                                     "Events written to subscribers whose frame was not at hand.")),
      attached(r.make_gauge("weir_attach_clients", "Clients attached to programs.")),
      attachments(r.make_counter("weir_attach_clients_total", "Clients that attached to programs.")),
      attach_messages(r.make_counter("weir_attach_messages_total", "Messages of attached clients.")) {
    constexpr std::string_view help = "Answers by class of status.";
    answers[0] = &r.make_counter("weir_http_answers_total", help, {{"status", "other"}});
    for (std::size_t i = 1; i < 6; ++i)
        answers[i] = &r.make_counter("weir_http_answers_total", help, {{"status", std::to_string(i) + "xx"}});
    for (const auto limit :
         {"http.connections_max", "http.header_bytes_max", "http.target_bytes_max", "http.fields_max",
          "http.body_bytes_max", "http.chunk_overhead_bytes_max", "http.bodies_bytes_max", "http.answers_bytes_max",
          "http.header_deadline_ms", "http.body_deadline_ms", "http.write_deadline_ms", "http.linger_bytes_max",
          "sse.connections_max", "sse.user_connections_max", "sse.stalled_s", "attach.clients_max",
          "attach.input_bytes_max", "attach.message_bytes_max"})
        r.declare_limit(limit);
}

}  // namespace http
