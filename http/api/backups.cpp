#include "http/api/backups.hpp"

#include <boost/throw_exception.hpp>
#include <charconv>
#include <optional>
#include <stdexcept>

#include "http/backups.hpp"
#include "http/json_writer.hpp"
#include "http/query.hpp"

namespace http {

void throw_exception_from_error(const backup_failure& why, const boost::source_location& where) {
    boost::throw_exception(std::logic_error("the value of a failed backup was asked for: " + why.detail), where);
}

namespace api {
namespace {

using runtime::task;

problem problem_of(const backup_failure& why) {
    switch (why.what) {
        case backup_failure::kind::in_progress: return problem("backup_in_progress", why.detail);
        case backup_failure::kind::unknown: return problem("not_found", why.detail);
        case backup_failure::kind::no_space: return problem("no_space", why.detail);
        case backup_failure::kind::failed: break;
    }
    return problem("backup_failed", why.detail);
}

// Why this request is not for us, if so.
std::optional<response> refusal(environment& here, const request& asked) {
    if (!asked.who.admin) return problem_response(problem("not_allowed", {}), asked.request_id);
    if (here.backups == nullptr)
        return problem_response(problem("not_found", "this server makes no backups"), asked.request_id);
    return std::nullopt;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
    Number out = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), out);
    if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
    return out;
}

}  // namespace

task<response> make_backup(environment& here, const request& asked) {
    if (auto refused = refusal(here, asked)) co_return std::move(*refused);
    if (here.draining) co_return problem_response(problem("draining", {}), asked.request_id);
    const auto made = co_await here.backups->make();
    if (made.has_error()) co_return problem_response(problem_of(made.error()), asked.request_id);
    auto out = json_response(201, {});
    out.add_field("Location", "/api/v1/admin/backups/" + made->id);
    json_writer json(out.body);
    json.begin_object().member("backup_id", made->id).member("created_at", runtime::to_rfc3339(made->created_at));
    json.key("files").begin_array();
    for (const auto& file : made->files)
        json.begin_object().member("path", file.path).member("bytes", file.bytes).end_object();
    json.end_array().end_object();
    co_return out;
}

task<response> get_backup_file(environment& here, const request& asked) {
    if (auto refused = refusal(here, asked)) co_return std::move(*refused);
    const auto number = parse_number<std::size_t>(asked.parameters[1]);
    if (!number) co_return problem_response(problem("not_found", "files have numbers"), asked.request_id);
    std::uint64_t offset = 0;
    const auto parameters = query::parse(asked.head.query());
    bool good = parameters.has_value();
    for (std::size_t i = 0; good && i < parameters->all().size(); ++i) {
        const auto& [name, value] = parameters->all()[i];
        const auto parsed = parse_number<std::uint64_t>(value);
        good = name == "offset" && parsed && i == 0;
        offset = parsed.value_or(0);
    }
    if (!good) co_return problem_response(problem("bad_query", "there is offset alone, a number"), asked.request_id);
    auto bytes = co_await here.backups->read(asked.parameters[0], *number, offset, backup_read_bytes_max);
    if (bytes.has_error()) co_return problem_response(problem_of(bytes.error()), asked.request_id);
    response out;
    out.content_type = bytes_type;
    out.body = std::move(*bytes);
    co_return out;
}

task<response> remove_backup(environment& here, const request& asked) {
    if (auto refused = refusal(here, asked)) co_return std::move(*refused);
    const auto removed = co_await here.backups->remove(asked.parameters[0]);
    if (removed.has_error()) co_return problem_response(problem_of(removed.error()), asked.request_id);
    response out;
    out.status = 204;
    co_return out;
}

}  // namespace api
}  // namespace http
