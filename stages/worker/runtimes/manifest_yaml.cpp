// From YAML to manifests. The only place here that knows yaml-cpp.
#include <fnmatch.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <functional>
#include <regex>
#include <set>

#include "runtime/base/config.hpp"
#include "stages/worker/runtimes/manifest.hpp"

namespace stages::worker::runtimes {
namespace {

constexpr std::size_t example_bytes_max = 16U << 10;
constexpr std::size_t hook_bytes_max = 16U << 10;
constexpr std::array placeholders{"executable", "folder", "file", "artifact", "version", "memory_bytes"};

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_language(std::string_view name) {
    if (name.empty() || name.size() > 32 || !is_lower(name.front())) return false;
    return std::ranges::all_of(name,
                               [](char c) { return is_lower(c) || is_digit(c) || c == '+' || c == '-' || c == '_'; });
}

bool is_file_name(std::string_view name) {
    return !name.empty() && name.size() <= file_name_bytes_max && name != "." && name != ".." &&
           name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

bool is_variable(std::string_view name) {
    if (name.empty() || is_digit(name.front())) return false;
    return std::ranges::all_of(name,
                               [](char c) { return is_lower(c) || is_digit(c) || (c >= 'A' && c <= 'Z') || c == '_'; });
}

// The first placeholder that there is none of; empty if all are known. "{" and "}" elsewhere stand for themselves.
std::string unknown_placeholder(std::string_view text, bool knows_artifact) {
    for (std::size_t at = 0; (at = text.find('{', at)) != std::string_view::npos; ++at) {
        const auto end = text.find('}', at);
        if (end == std::string_view::npos) return {};
        const auto name = text.substr(at + 1, end - at - 1);
        if (!std::ranges::all_of(name, [](char c) { return is_lower(c) || c == '_'; }) || name.empty()) continue;
        const bool known = std::ranges::find(placeholders, name) != placeholders.end();
        if (!known || (name == "artifact" && !knows_artifact)) return std::string(name);
    }
    return {};
}

// Above 0, and small enough that limits can be added up.
std::optional<std::uint64_t> parse_number(std::string_view text, bool is_bytes) {
    constexpr std::int64_t most = 1LL << 50;
    std::optional<std::int64_t> number;
    if (is_bytes) {
        number = runtime::parse_bytes(text);
    } else if (std::int64_t plain = 0;
               std::from_chars(text.data(), text.data() + text.size(), plain).ptr == text.data() + text.size()) {
        number = plain;
    }
    if (!number || *number <= 0 || *number > most) return std::nullopt;
    return static_cast<std::uint64_t>(*number);
}

// Walks one manifest and collects every mistake.
class manifest_reader {
  public:
    manifest_reader(const std::string& file, std::vector<std::string>& errors) : file_(file), errors_(errors) {}

    void read(const YAML::Node& root, manifest& out);

  private:
    using field_reader = std::function<void(const YAML::Node&, const std::string&)>;
    using fields = std::map<std::string, field_reader, std::less<>>;

    void error(const YAML::Node& where, const std::string& field, const std::string& reason) {
        const int line = where.Mark().line;
        errors_.push_back(file_ + ":" + std::to_string(line + 1) + ": " + (field.empty() ? "" : field + ": ") + reason);
    }
    void object(const YAML::Node& node, const std::string& name, const fields& known,
                const std::vector<std::string>& required);
    void text(const YAML::Node& node, const std::string& name, std::string& out, std::size_t bytes_max,
              const std::function<std::string(const std::string&)>& wrong = {});
    void list(const YAML::Node& node, const std::string& name, std::vector<std::string>& out,
              const std::function<std::string(const std::string&)>& wrong = {});
    void command(const YAML::Node& node, const std::string& name, std::vector<std::string>& out, bool knows_artifact);
    void variables(const YAML::Node& node, const std::string& name, environment& out);
    void version(const YAML::Node& node, const std::string& name, manifest& out);
    void compile(const YAML::Node& node, const std::string& name, manifest& out);
    void limits(const YAML::Node& node, const std::string& name, compile_limits& out);
    void warm(const YAML::Node& node, const std::string& name, manifest& out);

    const std::string& file_;
    std::vector<std::string>& errors_;
    bool has_compile_ = false;
};

void manifest_reader::object(const YAML::Node& node, const std::string& name, const fields& known,
                             const std::vector<std::string>& required) {
    if (!node.IsMap()) return error(node, name, "must be a map of fields");
    std::set<std::string, std::less<>> seen;
    const std::string prefix = name.empty() ? "" : name + ".";
    for (const auto& entry : node) {
        if (!entry.first.IsScalar()) {
            error(entry.first, name, "a field's name must be a plain word");
            continue;
        }
        const std::string& key = entry.first.Scalar();
        const auto reader = known.find(key);
        if (reader == known.end()) {
            error(entry.first, prefix + key, "there is no such field");
        } else if (!seen.insert(key).second) {
            error(entry.first, prefix + key, "this field stands here twice");
        } else {
            reader->second(entry.second, prefix + key);
        }
    }
    for (const auto& key : required)
        if (!seen.contains(key)) error(node, prefix + key, "this field is required");
}

void manifest_reader::text(const YAML::Node& node, const std::string& name, std::string& out, std::size_t bytes_max,
                           const std::function<std::string(const std::string&)>& wrong) {
    if (!node.IsScalar()) return error(node, name, "must be a text");
    const std::string& value = node.Scalar();
    if (value.empty()) return error(node, name, "must not be empty");
    if (value.size() > bytes_max) return error(node, name, "has at most " + std::to_string(bytes_max) + " bytes");
    if (value.find('\0') != std::string::npos) return error(node, name, "cannot hold a NUL");
    const std::string reason = wrong ? wrong(value) : std::string();
    if (!reason.empty()) return error(node, name, "\"" + value + "\" " + reason);
    out = value;
}

void manifest_reader::list(const YAML::Node& node, const std::string& name, std::vector<std::string>& out,
                           const std::function<std::string(const std::string&)>& wrong) {
    if (!node.IsSequence() || node.size() == 0) return error(node, name, "must be a list of texts");
    if (node.size() > manifest_list_max)
        return error(node, name, "has at most " + std::to_string(manifest_list_max) + " entries");
    for (std::size_t i = 0; i < node.size(); ++i)
        text(node[i], name + "[" + std::to_string(i) + "]", out.emplace_back(), manifest_text_max, wrong);
}

void manifest_reader::command(const YAML::Node& node, const std::string& name, std::vector<std::string>& out,
                              bool knows_artifact) {
    list(node, name, out, [knows_artifact](const std::string& word) {
        const std::string unknown = unknown_placeholder(word, knows_artifact);
        return unknown.empty() ? std::string() : "has the placeholder {" + unknown + "}, which there is none of here";
    });
    if (out.empty() || out.front().empty()) return;
    const std::string& program = out.front();
    if (!program.starts_with('/') && !program.starts_with('{') && !program.starts_with("./"))
        error(node, name, "must begin with {executable}, {folder}/…, ./… or an absolute path");
}

void manifest_reader::variables(const YAML::Node& node, const std::string& name, environment& out) {
    if (!node.IsMap()) return error(node, name, "must be a map of texts");
    if (node.size() > manifest_list_max)
        return error(node, name, "has at most " + std::to_string(manifest_list_max) + " entries");
    for (const auto& entry : node) {
        if (!entry.first.IsScalar() || !is_variable(entry.first.Scalar())) {
            error(entry.first, name, "a variable's name has letters, digits and _ alone");
            continue;
        }
        const std::string& key = entry.first.Scalar();
        if (std::ranges::any_of(out, [&key](const auto& other) { return other.first == key; })) {
            error(entry.first, name + "." + key, "this field stands here twice");
            continue;
        }
        out.emplace_back(key, "");
        if (!entry.second.IsScalar() || !entry.second.Scalar().empty())
            text(entry.second, name + "." + key, out.back().second, manifest_text_max);
    }
}

void manifest_reader::version(const YAML::Node& node, const std::string& name, manifest& out) {
    const auto one_group = [](const std::string& pattern) -> std::string {
        try {
            if (std::regex(pattern, std::regex::ECMAScript | std::regex::multiline).mark_count() == 1) return {};
        } catch (const std::regex_error& failure) {
            return std::string("is no regular expression: ") + failure.what();
        }
        return "must have one group, which is the version";
    };
    object(node, name,
           {{"command",
             [&](const YAML::Node& at, const std::string& path) { command(at, path, out.version_command, false); }},
            {"pattern",
             [&](const YAML::Node& at, const std::string& path) {
                 text(at, path, out.version_pattern, manifest_text_max, one_group);
             }}},
           {"command", "pattern"});
}

void manifest_reader::limits(const YAML::Node& node, const std::string& name, compile_limits& out) {
    const auto number = [this](std::uint64_t& to, bool is_bytes) {
        return [this, &to, is_bytes](const YAML::Node& at, const std::string& path) {
            const auto value = at.IsScalar() ? parse_number(at.Scalar(), is_bytes) : std::nullopt;
            if (value) {
                to = *value;
            } else {
                error(at, path,
                      is_bytes ? "must be a number of bytes above 0, such as 4096, 64KiB, 16MiB or 1GiB"
                               : "must be a whole number above 0");
            }
        };
    };
    object(node, name,
           {{"wall_ms", number(out.wall_ms, false)},
            {"cpu_ms", number(out.cpu_ms, false)},
            {"memory_bytes", number(out.memory_bytes, true)},
            {"processes", number(out.processes, false)},
            {"disk_bytes", number(out.disk_bytes, true)},
            {"output_bytes", number(out.output_bytes, true)},
            {"artifact_bytes", number(out.artifact_bytes, true)}},
           {});
}

void manifest_reader::compile(const YAML::Node& node, const std::string& name, manifest& out) {
    has_compile_ = true;
    auto& step = out.compile.emplace();
    const auto file_name = [](const std::string& value) {
        return is_file_name(value) ? std::string() : std::string("must be a file's name without a slash");
    };
    object(
        node, name,
        {{"command", [&](const YAML::Node& at, const std::string& path) { command(at, path, step.command, true); }},
         {"artifact", [&](const YAML::Node& at,
                          const std::string& path) { text(at, path, step.artifact, file_name_bytes_max, file_name); }},
         {"sources", [&](const YAML::Node& at, const std::string& path) { list(at, path, step.sources); }},
         {"environment", [&](const YAML::Node& at, const std::string& path) { variables(at, path, step.variables); }},
         {"limits", [&](const YAML::Node& at, const std::string& path) { limits(at, path, step.limits); }}},
        {"command", "artifact"});
}

void manifest_reader::warm(const YAML::Node& node, const std::string& name, manifest& out) {
    auto& start = out.warm.emplace();
    const auto file_name = [](const std::string& value) {
        return is_file_name(value) ? std::string() : std::string("must be a file's name without a slash");
    };
    const auto kind = [&](const YAML::Node& at, const std::string& path) {
        std::string word;
        text(at, path, word, manifest_text_max, [](const std::string& value) {
            return value == "zygote" || value == "parked" ? std::string() : std::string("must be zygote or parked");
        });
        start.kind = word == "parked" ? warm_kind::parked : warm_kind::zygote;
    };
    using node_of = const YAML::Node&;
    object(node, name,
           {{"start", kind},
            {"file_name",
             [&](node_of at, const std::string& path) {
                 text(at, path, start.file_name, file_name_bytes_max, file_name);
             }},
            {"hook", [&](node_of at, const std::string& path) { text(at, path, start.hook, hook_bytes_max); }},
            {"environment", [&](node_of at, const std::string& path) { variables(at, path, start.variables); }}},
           {"start"});
    // A zygote may do without a hook, but what is set for one needs one that takes it away again.
    const auto has = [&node](const char* key) { return node.IsMap() && node[key].IsDefined(); };
    const bool has_hook = start.kind == warm_kind::parked || has("hook") || has("file_name") || has("environment");
    for (const char* key : {"file_name", "hook"})
        if (has_hook && !has(key)) error(node, name + "." + key, "this field is required");
}

void manifest_reader::read(const YAML::Node& root, manifest& out) {
    const auto absolute = [](const std::string& path) {
        return path.starts_with('/') ? std::string() : std::string("must be an absolute path");
    };
    const auto language = [](const std::string& name) {
        return is_language(name) ? std::string()
                                 : std::string(
                                       "must begin with a lower-case letter and have at most 32 letters, "
                                       "digits, +, - and _");
    };
    const auto file_name = [](const std::string& name) {
        const auto dot = name.rfind('.');
        const bool good = is_file_name(name) && dot != std::string::npos && dot > 0 && dot + 1 < name.size();
        return good ? std::string() : std::string("must be a file's name with an extension and without a slash");
    };
    const auto bare = [](const std::string& name) {
        return is_file_name(name) ? std::string() : std::string("must be the name of something in /etc");
    };
    // The run command may name the artefact only if there is a compile step, wherever that stands in the file.
    has_compile_ = root.IsMap() && root["compile"].IsDefined();
    using node = YAML::Node;
    using std::string;
    object(root, "",
           {{"language",
             [&](const node& at, const string& path) { text(at, path, out.language, manifest_text_max, language); }},
            {"file_name", [&](const node& at,
                              const string& path) { text(at, path, out.file_name, file_name_bytes_max, file_name); }},
            {"executables", [&](const node& at, const string& path) { list(at, path, out.executables, absolute); }},
            {"version", [&](const node& at, const string& path) { version(at, path, out); }},
            {"preferred",
             [&](const node& at, const string& path) { text(at, path, out.preferred, manifest_text_max, absolute); }},
            {"run", [&](const node& at, const string& path) { command(at, path, out.run, has_compile_); }},
            {"environment", [&](const node& at, const string& path) { variables(at, path, out.variables); }},
            {"etc", [&](const node& at, const string& path) { list(at, path, out.etc, bare); }},
            {"compile", [&](const node& at, const string& path) { compile(at, path, out); }},
            {"warm", [&](const node& at, const string& path) { warm(at, path, out); }},
            {"example", [&](const node& at, const string& path) { text(at, path, out.example, example_bytes_max); }}},
           {"language", "file_name", "executables", "version", "run", "example"});
    if (out.compile && out.compile->artifact == out.file_name)
        error(root, "compile.artifact", "must have another name than the script");
    const auto depends_on_limits = [](const std::string& word) { return word.find("{memory_bytes}") != string::npos; };
    if (out.warm && out.compile) error(root, "warm", "a language that is compiled has nothing to boot ahead");
    if (out.warm && std::ranges::any_of(out.run, depends_on_limits))
        error(root, "warm", "the run command must not depend on a request's limits ({memory_bytes})");
}

std::string read_whole(const std::filesystem::path& path, std::string& text) {
    std::ifstream in(path, std::ios::binary);
    text.assign(manifest_bytes_max + 1, '\0');
    if (in) in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (in.bad() || !in.is_open()) return path.string() + ": cannot be read";
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (text.size() > manifest_bytes_max)
        return path.string() + ": a manifest has at most " + std::to_string(manifest_bytes_max) + " bytes";
    return {};
}

}  // namespace

parsed_manifest parse_manifest(const std::string& text, const std::string& file) {
    parsed_manifest out;
    manifest value;
    value.file = file;
    try {
        manifest_reader(file, out.errors).read(YAML::Load(text), value);
    } catch (const YAML::Exception& failure) {
        out.errors.push_back(file + ":" + std::to_string(failure.mark.line + 1) + ": not valid YAML: " + failure.msg);
    }
    if (out.errors.empty()) out.value = std::move(value);
    return out;
}

manifest_folder read_manifests(const std::string& folder) {
    manifest_folder out;
    std::error_code failed;
    std::vector<std::filesystem::path> files;
    for (std::filesystem::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed))
        if (at->path().extension() == ".yaml") files.push_back(at->path());
    if (failed) out.errors.push_back(folder + ": cannot be read: " + failed.message());
    if (files.size() > manifests_max) {
        out.errors.push_back(folder + ": has more than " + std::to_string(manifests_max) + " manifests");
        return out;
    }
    std::ranges::sort(files);
    std::map<std::string, std::string> seen;  // language -> file
    for (const auto& file : files) {
        std::string text;
        if (auto wrong = read_whole(file, text); !wrong.empty()) {
            out.errors.push_back(std::move(wrong));
            continue;
        }
        auto parsed = parse_manifest(text, file.string());
        std::ranges::move(parsed.errors, std::back_inserter(out.errors));
        if (!parsed.value) continue;
        const auto [other, is_new] = seen.emplace(parsed.value->language, file.string());
        if (is_new) {
            out.manifests.push_back(std::move(*parsed.value));
        } else {
            out.errors.push_back(file.string() + ": language: " + other->second + " is for the same language");
        }
    }
    std::ranges::sort(out.manifests, {}, &manifest::language);
    return out;
}

}  // namespace stages::worker::runtimes
