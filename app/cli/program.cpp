#include "app/cli/program.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>

#include "http/json_writer.hpp"
#include "runtime/base/encoding.hpp"

namespace app::cli {
namespace {

// Far above what the server takes, whose own message names the limit; this bounds our memory only.
constexpr std::size_t input_bytes_max = 9 << 20;

struct known_name {
    std::string_view name;
    std::string_view lang;
};
constexpr std::array by_extension{known_name{".py", "python"}, known_name{".js", "node"}, known_name{".mjs", "node"},
                                  known_name{".cjs", "node"},  known_name{".sh", "bash"}, known_name{".bash", "bash"},
                                  known_name{".rb", "ruby"},   known_name{".pl", "perl"}, known_name{".go", "go"},
                                  known_name{".c", "c"},       known_name{".cpp", "cpp"}, known_name{".cc", "cpp"},
                                  known_name{".java", "java"}};
constexpr std::array by_interpreter{known_name{"python", "python"}, known_name{"node", "node"},
                                    known_name{"bash", "bash"},     known_name{"sh", "bash"},
                                    known_name{"ruby", "ruby"},     known_name{"perl", "perl"}};

// "#!/usr/bin/env -S python3.11 -u" is python3.11.
std::string_view interpreter_of(std::string_view script) {
    if (!script.starts_with("#!")) return {};
    std::string_view line = script.substr(2, script.find('\n') - 2);
    const auto next_word = [&line] {
        const auto begin = line.find_first_not_of(" \t\r");
        if (begin == std::string_view::npos) return std::string_view();
        line.remove_prefix(begin);
        const auto word = line.substr(0, line.find_first_of(" \t\r"));
        line.remove_prefix(word.size());
        return word;
    };
    std::string_view word = next_word();
    if (word.ends_with("/env")) {
        do word = next_word();
        while (word.starts_with('-') || word.find('=') != std::string_view::npos);
    }
    const auto slash = word.rfind('/');
    return slash == std::string_view::npos ? word : word.substr(slash + 1);
}

failure usage_failure(std::string message) {
    failure out;
    out.exit_code = exit_usage;
    out.message = std::move(message);
    std::string json = "{\"code\":\"usage\",\"detail\":\"";
    http::append_escaped(json, runtime::is_utf8(out.message) ? out.message : "a mistake in the command line");
    out.json = json + "\"}";
    return out;
}

std::optional<std::uint64_t> factor_of(std::string_view key, std::string_view suffix) {
    if (suffix.empty()) return 1;
    if (key.ends_with("_ms")) {
        if (suffix == "ms") return 1;
        if (suffix == "s") return 1'000;
        if (suffix == "m") return 60'000;
        if (suffix == "h") return 3'600'000;
    }
    if (key.ends_with("_bytes")) {
        if (suffix == "KiB") return 1ULL << 10;
        if (suffix == "MiB") return 1ULL << 20;
        if (suffix == "GiB") return 1ULL << 30;
    }
    return std::nullopt;
}

std::string quoted(std::string_view text) {
    std::string out = "\"";
    http::append_escaped(out, text);
    return out + "\"";
}

// The first text of the command that is not valid UTF-8, which JSON could not carry.
std::string check_utf8(const run_command& what, const std::string& script) {
    if (!runtime::is_utf8(script)) return "the program is not valid UTF-8";
    for (const auto& argument : what.arguments)
        if (!runtime::is_utf8(argument)) return "an argument is not valid UTF-8";
    for (const auto& pairs : {what.labels, what.limits})
        for (const auto& [key, value] : pairs)
            if (!runtime::is_utf8(key) || !runtime::is_utf8(value)) return "a label or limit is not valid UTF-8";
    for (const auto& host : what.allow)
        if (!runtime::is_utf8(host)) return "a host is not valid UTF-8";
    for (const auto* text : {&what.lang, &what.lang_version, &what.priority})
        if (!runtime::is_utf8(*text)) return "a flag is not valid UTF-8";
    return {};
}

}  // namespace

std::string guess_language(std::string_view file_name, std::string_view script) {
    for (const auto& known : by_extension)
        if (file_name.ends_with(known.name)) return std::string(known.lang);
    const auto interpreter = interpreter_of(script);
    for (const auto& known : by_interpreter) {
        if (!interpreter.starts_with(known.name)) continue;
        // "python3.11" is python, "shfmt" is not sh.
        const auto rest = interpreter.substr(known.name.size());
        if (rest.find_first_not_of("0123456789.") == std::string_view::npos) return std::string(known.lang);
    }
    return {};
}

outcome<std::string> read_input(const std::string& file, std::size_t bytes_max) {
    const bool is_standard = file == "-";
    const int fd = is_standard ? STDIN_FILENO : ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return usage_failure(file + ": " + std::strerror(errno));
    std::string out;
    std::array<char, 65536> part;
    ssize_t n = 0;
    while (out.size() <= bytes_max && (n = ::read(fd, part.data(), part.size())) != 0) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        out.append(part.data(), static_cast<std::size_t>(n));
    }
    const int why = n < 0 ? errno : 0;
    if (!is_standard) ::close(fd);
    if (why != 0) return usage_failure(file + ": " + std::strerror(why));
    if (out.size() > bytes_max) return usage_failure(file + ": more than " + std::to_string(bytes_max) + " bytes");
    return out;
}

std::string limit_as_json(std::string_view key, std::string_view value) {
    std::uint64_t number = 0;
    const auto [end, wrong] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (wrong != std::errc{}) return quoted(value);
    const auto factor = factor_of(key, value.substr(static_cast<std::size_t>(end - value.data())));
    std::uint64_t product = 0;
    if (!factor || __builtin_mul_overflow(number, *factor, &product)) return quoted(value);
    return std::to_string(product);
}

outcome<std::string> execute_body(const run_command& what) {
    if (what.file == "-" && what.standard_input == "-")
        return usage_failure("the program and its input cannot both come from standard input");
    if (what.interactive && !what.detach && (what.file == "-" || what.standard_input == "-"))
        return usage_failure("with -i or -t standard input is for what is typed");
    if (!what.allow.empty() && !what.network.empty())
        return usage_failure("--allow names hosts, --network all or none of them: one of the two");
    const auto script = read_input(what.file, input_bytes_max);
    if (script.has_error()) return script.error();
    const std::string wrong = check_utf8(what, *script);
    if (!wrong.empty()) return usage_failure(wrong);
    const std::string lang = what.lang.empty() ? guess_language(what.file, *script) : what.lang;
    if (lang.empty())
        return usage_failure(what.file + ": neither its name nor its first line says the language; --lang does");

    std::string out;
    http::json_writer json(out);
    json.begin_object().member("script", std::string_view(*script)).member("lang", std::string_view(lang));
    if (!what.lang_version.empty()) json.member("lang_version", std::string_view(what.lang_version));
    if (!what.priority.empty()) json.member("priority", std::string_view(what.priority));
    json.key("args").begin_array();
    for (const auto& argument : what.arguments) json.value(std::string_view(argument));
    json.end_array().key("labels").begin_object();
    for (const auto& [key, value] : what.labels) json.member(key, std::string_view(value));
    json.end_object();
    if (!what.standard_input.empty()) {
        const auto input = read_input(what.standard_input, input_bytes_max);
        if (input.has_error()) return input.error();
        json.key("stdin")
            .begin_object()
            .member("base64", std::string_view(runtime::base64_encode(*input)))
            .end_object();
    }
    if (what.terminal) {
        json.key("interactive").begin_object().key("pty").begin_object();
        if (what.rows != 0) json.member("rows", std::uint32_t{what.rows});
        if (what.columns != 0) json.member("columns", std::uint32_t{what.columns});
        json.end_object().end_object();
    } else if (what.interactive) {
        json.member("interactive", true);
    }
    if (!what.allow.empty()) {
        json.key("network").begin_object().key("allow").begin_array();
        for (const auto& host : what.allow) json.value(host);
        json.end_array().end_object();
    } else if (!what.network.empty()) {
        json.member("network", what.network);
    }
    json.end_object();
    // Numbers and words side by side; put in by hand before the closing brace.
    if (!what.limits.empty()) {
        out.pop_back();
        out += ",\"limits\":{";
        for (const auto& [key, value] : what.limits) {
            if (!out.ends_with('{')) out += ',';
            out += quoted(key) + ":" + limit_as_json(key, value);
        }
        out += "}}";
    }
    return out;
}

}  // namespace app::cli
