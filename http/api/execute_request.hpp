// From the body of POST /api/v1/execute to a checked request with its defaults filled in.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "http/message/problem.hpp"
#include "pipeline/engine.hpp"

namespace http::api {

// Keeps a JSON parser and its memory between requests. Shard: its own only.
class execute_reader {
  public:
    execute_reader(std::size_t depth_max, std::size_t errors_max);
    ~execute_reader();
    execute_reader(execute_reader&&) noexcept;
    execute_reader& operator=(execute_reader&&) noexcept;

    // Fills `out`, or says what is wrong with the body: malformed_json, or invalid with every error found (the first
    // errors_max of them). `body` may be given more capacity; its bytes stay. For the header's part (traceparent) the
    // caller cares.
    std::optional<problem> read(std::string& body, const pipeline::operator_limits& limits,
                                pipeline::script_request& out);

  private:
    class parser;
    std::unique_ptr<parser> parser_;
    std::size_t depth_max_;
    std::size_t errors_max_;
};

// Nothing if the operator allows the network that a request asks for; else 403 with an error for each entry.
std::optional<problem> refused_network(const pipeline::network_policy& policy, const pipeline::principal& who,
                                       const pipeline::script_request& asked);

}  // namespace http::api
