// The server as the commands see it: a request gives a good answer or a failure with an exit code.
#pragma once

#include <string>
#include <string_view>

#include "app/cli/answers.hpp"
#include "app/cli/command_line.hpp"
#include "app/cli/failure.hpp"
#include "http/client/connection.hpp"

namespace app::cli {

// What a refusal means to the shell: the exit code by status and problem code, the problem's words, and a hint.
failure failure_of_answer(int status, const std::string& body);
// The same for a server that gave no answer.
failure failure_of_network(const http::client::url& server, runtime::error_code why);
// "…/executions/ID/…", with the id checked, since it becomes a part of a path.
outcome<std::string> execution_path(const std::string& id, std::string_view rest = "");

// Shard: the one it was made for; one call at a time.
class api {
  public:
    api(runtime::shard& home, http::client::url server);

    [[nodiscard]] const http::client::url& server() const { return connection_.server(); }
    // Answers of 2xx. A request that may be repeated is sent again when the network breaks, a few times; one that
    // nobody listens to is not.
    runtime::task<outcome<http::client::response>> call(http::client::request what);
    runtime::task<outcome<http::client::response>> get(std::string target);

  private:
    runtime::shard& home_;
    http::client::connection connection_;
};

// What every command gets.
class terminal;
struct session {
    runtime::shard& home;
    const common_options& options;
    const terminal& text;
    api& server;
};

}  // namespace app::cli
