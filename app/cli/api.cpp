#include "app/cli/api.hpp"

#include <boost/asio/error.hpp>
#include <boost/throw_exception.hpp>
#include <stdexcept>

#include "app/cli/terminal.hpp"
#include "http/json_writer.hpp"
#include "runtime/base/ids.hpp"
#include "runtime/timer.hpp"

namespace app::cli {
namespace {

using http::client::request;
using http::client::response;
using runtime::milliseconds;
using runtime::task;

constexpr int attempts_max = 5;
constexpr milliseconds call_deadline{60'000};

int exit_code_of(int status, const std::string& code) {
    switch (status) {
        case 400:
        case 405:
        case 413:
        case 414:
        case 415:
        case 431: return exit_usage;
        case 401:
        case 403: return exit_not_allowed;
        case 404: return exit_not_found;
        case 409: return exit_conflict;
        case 422: return code == "idempotency_key_reused" ? exit_conflict : exit_usage;
        case 429:
        case 507: return exit_limited;
        // A server that stops, or whose disk failed, is as good as away.
        case 503: return code == "draining" || code == "storage_failed" ? exit_unreachable : exit_limited;
        default: return exit_run_failed;
    }
}

std::string hint_of(int status, const std::string& code) {
    if (status == 404) return "`weir list` shows what there is";
    if (code == "not_finished") return "`weir logs -f ID` waits for its end";
    if (status == 429 || status == 503) return "try again in a while";
    return {};
}

std::string json_of(std::string_view code, std::string_view detail) {
    std::string out;
    http::json_writer json(out);
    json.begin_object().member("code", code).member("detail", detail).end_object();
    return out;
}

}  // namespace

void throw_exception_from_error(const failure& why, const boost::source_location& where) {
    boost::throw_exception(std::logic_error("the value of a failed command was asked for: " + why.message), where);
}

failure failure_of_answer(int status, const std::string& body) {
    failure out;
    const auto said = parse_problem(body);
    if (!said) {
        out.exit_code = exit_code_of(status, "");
        out.message = "the server answered " + std::to_string(status);
        out.json = json_of("unexpected_answer", out.message);
        return out;
    }
    out.exit_code = exit_code_of(status, said->code);
    out.message = printable(said->detail.empty() ? said->title : said->detail) + " (" + printable(said->code) + ")";
    if (!said->limit.empty()) out.details.push_back("limit: " + printable(said->limit));
    for (const auto& one : said->errors)
        out.details.push_back(printable(one.pointer) + ": " + printable(one.detail.empty() ? one.code : one.detail));
    out.hint = hint_of(status, said->code);
    out.json = body;
    return out;
}

failure failure_of_network(const http::client::url& server, runtime::error_code why) {
    failure out;
    out.exit_code = exit_unreachable;
    out.message = "no answer from " + server.to_string() + ": " + why.message();
    if (why == boost::asio::error::connection_refused)
        out.hint = "`weir serve` starts a server; --server or WEIR_SERVER names another one";
    out.json = json_of("unreachable", out.message);
    return out;
}

outcome<std::string> execution_path(const std::string& id, std::string_view rest) {
    if (!runtime::execution_id::parse(id)) {
        failure out;
        out.exit_code = exit_not_found;
        out.message = "\"" + printable(id) + "\" is no execution id";
        out.hint = "an id looks like 0192f3c1-7a50-7c1e-9d3f-2b8a6c4e0f17; `weir list` shows them";
        out.json = json_of("not_found", "no execution id");
        return out;
    }
    return "/api/v1/executions/" + id + std::string(rest);
}

api::api(runtime::shard& home, http::client::url server) : home_(home), connection_(home, std::move(server)) {}

task<outcome<response>> api::call(request what) {
    const int attempts = what.may_repeat() ? attempts_max : 1;
    runtime::error_code why;
    for (int attempt = 0; attempt < attempts; ++attempt) {
        if (attempt > 0) co_await runtime::sleep_for(milliseconds(100 << attempt));
        const auto deadline = home_.time().steady() + call_deadline;
        auto got = co_await connection_.exchange(what, deadline);
        if (got.has_value()) {
            if (got->head.status / 100 == 2) co_return std::move(*got);
            co_return failure_of_answer(got->head.status, got->body);
        }
        why = got.error();
        // Nobody there, or nothing for a minute: asking again would only delay the message.
        if (why == boost::asio::error::connection_refused || why == boost::asio::error::host_not_found ||
            why == boost::asio::error::timed_out)
            break;
    }
    co_return failure_of_network(connection_.server(), why);
}

task<outcome<response>> api::get(std::string target) {
    request what("GET", std::move(target));
    what.headers.emplace_back("Accept", "application/json");
    return call(std::move(what));
}

}  // namespace app::cli
