// emit_random_programs [--seed S] [--count N]: prints the programs of N seeds from S on, with what is predicted of
// each, a JSON object a line. For drivers of the real engine.
#include <cstdio>
#include <cstdlib>

#include "runtime/base/encoding.hpp"
#include "runtime/base/sha256.hpp"
#include "tests/random_programs/prediction.hpp"

namespace {

using random_programs::prediction;
using random_programs::program;

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (c == '\n') {
            out += "\\n";
        } else {
            out += c;
        }
    }
    return out + '"';
}

std::string member(std::string_view name, const std::string& json) { return quoted(name) + ": " + json; }
std::string member(std::string_view name, std::uint64_t value) { return member(name, std::to_string(value)); }

template <class Values, class Render>
std::string array(const Values& values, Render render) {
    std::string out;
    for (const auto& one : values) out += (out.empty() ? "" : ", ") + render(one);
    return '[' + out + ']';
}

std::string commands(const std::vector<random_programs::command>& list) {
    return array(list, [](const auto& c) {
        return '[' + quoted(to_string(c.kind)) + ", " + std::to_string(c.number) + ", " + quoted(c.word) + ']';
    });
}

std::string limits(const random_programs::limits& all) {
    std::string out;
    const auto add = [&out](std::string_view name, std::uint64_t value) {
        if (value > 0) out += (out.empty() ? "" : ", ") + member(name, value);
    };
    add("wall_ms", all.wall_ms);
    add("cpu_ms", all.cpu_ms);
    add("memory_bytes", all.memory_bytes);
    add("processes", all.processes);
    add("output_bytes", all.output_bytes);
    add("disk_bytes", all.disk_bytes);
    if (all.kill_on_output_limit) out += ", " + member("on_output_limit", quoted("kill"));
    return '{' + out + '}';
}

std::string retry(const random_programs::retry& policy) {
    return '{' + member("max_attempts", policy.attempts_max) + ", " +
           member("on", array(policy.on, [](const std::string& name) { return quoted(name); })) + ", " +
           member("backoff_ms", policy.backoff_ms) + '}';
}

std::string stream(const std::string& bytes, bool truncated) {
    const auto digest = runtime::sha256(bytes);
    const std::string_view raw(reinterpret_cast<const char*>(digest.data()), digest.size());
    return '{' + member("bytes", bytes.size()) + ", " + member("visible", random_programs::visible(bytes, truncated)) +
           ", " + member("sha256", quoted(runtime::hex_encode(raw))) + ", " +
           member("base64", bytes.size() > 20'000 ? "null" : quoted(runtime::base64_encode(bytes))) + ", " +
           member("truncated", truncated ? "true" : "false") + '}';
}

std::string name_of_signal(const program& what, const prediction& own) {
    return own.signal ? quoted(what.commands.back().word) : "null";
}

std::string own_end(const program& what, const prediction& own) {
    return '{' + member("status", quoted(own.status)) + ", " +
           member("error_type", own.error_type.empty() ? "null" : quoted(own.error_type)) + ", " +
           member("exit_code", own.exit_code ? std::to_string(*own.exit_code) : "null") + ", " +
           member("signal", name_of_signal(what, own)) + ", " +
           member("output_bytes", own.output_bytes ? std::to_string(*own.output_bytes) : "null") + ", " +
           member("stdout", stream(own.standard_output, own.stdout_truncated)) + ", " +
           member("stderr", stream(own.standard_error, own.stderr_truncated)) + '}';
}

std::string line(const program& what) {
    const auto text = [](const std::string& one) { return quoted(one); };
    std::string out = '{' + member("seed", what.seed) + ", " + member("lang", quoted(what.lang)) + ", " +
                      member("priority", quoted(what.priority)) + ", " + member("key", quoted(what.key)) + ", " +
                      member("commands", commands(what.commands)) + ", " + member("client", commands(what.client)) +
                      ", " + member("args", array(what.args, text)) + ", " + member("input", quoted(what.input)) +
                      ", " + member("limits", limits(what.limits)) + ", ";
    if (what.retry) out += member("retry", retry(*what.retry)) + ", ";
    out += member("needs_enforced_limits", what.needs_enforced_limits ? "true" : "false") + ", ";
    out += member("attempts", predict(what, {}).attempts) + ", ";
    return out + member("own", own_end(what, random_programs::predict_attempt(what, false))) + '}';
}

}  // namespace

int main(int argc, char** argv) {
    std::uint64_t seed = 1;
    std::uint64_t count = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        const std::string_view flag = argv[i];
        if (flag == "--seed") seed = std::strtoull(argv[i + 1], nullptr, 10);
        if (flag == "--count") count = std::strtoull(argv[i + 1], nullptr, 10);
    }
    for (std::uint64_t i = 0; i < count; ++i) std::puts(line(random_programs::make_program(seed + i)).c_str());
    return 0;
}
