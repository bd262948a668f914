// The files and outputs of an execute request.
#include <algorithm>
#include <set>

#include "http/api/execute_fields.hpp"
#include "runtime/base/encoding.hpp"

namespace http::api {
namespace {

// What is wrong with a path in the work directory: a code and words, or nothing.
std::pair<std::string_view, std::string> fault_of_path(std::string_view path) {
    if (path.empty()) return {"too_short", "must not be empty"};
    if (path.size() > pipeline::file_path_bytes_max)
        return {"too_long", at_most(pipeline::file_path_bytes_max, "bytes")};
    if (path.find('\0') != std::string_view::npos) return {"invalid_character", "a path cannot hold a NUL"};
    if (path.front() == '/') return {"invalid_path", "must be relative to the work directory"};
    std::size_t depth = 0;
    for (;;) {
        const auto slash = path.find('/');
        const auto name = path.substr(0, slash);
        if (name.empty() || name == "." || name == "..")
            return {"invalid_path", "must not have empty names, \".\" or \"..\""};
        if (++depth > pipeline::file_path_depth_max)
            return {"too_deep", at_most(pipeline::file_path_depth_max, "names")};
        if (slash == std::string_view::npos) return {};
        path.remove_prefix(slash + 1);
    }
}

}  // namespace

void execute_fields::path(element at, const std::string& pointer, std::string& out) {
    std::string_view value;
    if (!text(at, pointer, value)) return;
    auto [code, words] = fault_of_path(value);
    if (!code.empty()) return add(pointer, code, std::move(words));
    out = value;
}

void execute_fields::file(element at, const std::string& pointer) {
    object holder;
    if (at.get(holder) != simdjson::SUCCESS)
        return add(pointer, "wrong_type", "must be an object with path and text or base64");
    if (!members_in_order(holder, pointer)) return;
    pipeline::input_file out;
    std::size_t contents = 0;
    bool have_path = false;
    std::string_view value;
    for (const auto member : holder) {
        if (member.key == "path") {
            have_path = true;
            path(member.value, pointer + "/path", out.path);
        } else if (member.key == "text") {
            ++contents;
            if (text(member.value, pointer + "/text", value)) out.bytes = value;
        } else if (member.key == "base64") {
            ++contents;
            if (!text(member.value, pointer + "/base64", value)) continue;
            auto bytes = runtime::base64_decode(value);
            if (!bytes) add(pointer + "/base64", "invalid_base64", "must be base64 with padding");
            if (bytes) out.bytes = std::move(*bytes);
        } else {
            add(pointer + token(member.key), "unknown_field", "there is no such field");
        }
    }
    if (!have_path) add(pointer + "/path", "required", "this field is required");
    if (contents == 0) add(pointer + "/text", "required", "text or base64 is required");
    if (contents > 1) add(pointer, "conflict", "must have text or base64, not both");
    out_.files.push_back(std::move(out));
}

void execute_fields::files(element at) {
    simdjson::dom::array list;
    if (at.get(list) != simdjson::SUCCESS) return add("/files", "wrong_type", "must be an array of files");
    for (const element one : list) {
        if (out_.files.size() == pipeline::files_max) {
            reached("files_max", pipeline::files_max);
            return add("/files", "too_many", at_most(pipeline::files_max, "files (files_max)"));
        }
        file(one, "/files/" + std::to_string(out_.files.size()));
    }
    std::size_t bytes = 0;
    for (const auto& one : out_.files) bytes += one.bytes.size();
    if (bytes > pipeline::files_bytes_max) {
        reached("files_bytes_max", pipeline::files_bytes_max);
        add("/files", "too_large", at_most(pipeline::files_bytes_max, "bytes together, decoded (files_bytes_max)"));
    }
}

// A name is one file's, and no file's folder. Paths that were refused are empty, and said already.
void execute_fields::check_file_names() {
    std::set<std::string, std::less<>> names;
    std::set<std::string, std::less<>> folders;
    for (const auto& runtime : limits_.runtimes)
        if (runtime.lang == out_.lang) names.insert(runtime.own_files.begin(), runtime.own_files.end());
    const auto own = names;
    for (std::size_t i = 0; i < out_.files.size(); ++i) {
        const std::string& path = out_.files[i].path;
        const std::string pointer = "/files/" + std::to_string(i) + "/path";
        if (path.empty()) continue;
        bool clashes = folders.contains(path);
        for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
            clashes = clashes || names.contains(path.substr(0, slash));
            folders.insert(path.substr(0, slash));
        }
        if (own.contains(path)) {
            add(pointer, "reserved", "the program's own file has this name");
        } else if (!names.insert(path).second) {
            add(pointer, "duplicate", "another file has this path");
        } else if (clashes) {
            add(pointer, "conflict", "a file cannot be the folder of another");
        }
    }
}

void execute_fields::outputs(element at) {
    simdjson::dom::array list;
    if (at.get(list) != simdjson::SUCCESS) return add("/outputs", "wrong_type", "must be an array of paths");
    std::set<std::string, std::less<>> seen;
    for (const element one : list) {
        if (out_.outputs.size() == pipeline::outputs_max) {
            reached("outputs_max", pipeline::outputs_max);
            return add("/outputs", "too_many", at_most(pipeline::outputs_max, "paths (outputs_max)"));
        }
        const std::string pointer = "/outputs/" + std::to_string(out_.outputs.size());
        std::string& path_of_it = out_.outputs.emplace_back();
        path(one, pointer, path_of_it);
        if (!path_of_it.empty() && !seen.insert(path_of_it).second)
            add(pointer, "duplicate", "this path stands here twice");
    }
}

}  // namespace http::api
