#include "app/cli/commands.hpp"
#include "app/cli/exit_code.hpp"
#include "app/cli/terminal.hpp"
#include "app/runtimes_folder.hpp"
#include "http/json_writer.hpp"

namespace app::cli {
namespace {

using stages::worker::runtimes::find_runtime;
using stages::worker::runtimes::installed_runtime;

void print_json(const terminal& text, const known_runtimes& known, const std::vector<installed_runtime>& installed) {
    std::string out;
    http::json_writer json(out);
    json.begin_object().member("directory", std::string_view(known.folder)).key("runtimes").begin_array();
    for (const auto& manifest : known.manifests) {
        const auto* const found = find_runtime(installed, manifest.language);
        json.begin_object().member("lang", std::string_view(manifest.language)).key("versions").begin_array();
        if (found != nullptr)
            for (const auto& version : found->versions)
                json.begin_object()
                    .member("version", std::string_view(version))
                    .member("executable", std::string_view(found->executables.at(version)))
                    .end_object();
        json.end_array()
            .member("file_name", std::string_view(manifest.file_name))
            .member("compiled", manifest.compile.has_value())
            .member("manifest", std::string_view(manifest.file))
            .end_object();
    }
    json.end_array().key("errors").begin_array();
    for (const auto& error : known.errors) json.value(std::string_view(error));
    json.end_array().end_object();
    text.out(out + "\n");
}

void print_text(const terminal& text, const known_runtimes& known, const std::vector<installed_runtime>& installed) {
    std::vector<std::vector<cell>> rows{{{"LANGUAGE"}, {"VERSIONS"}, {"COMPILED"}, {"EXECUTABLE"}}};
    for (const auto& manifest : known.manifests) {
        const auto* const found = find_runtime(installed, manifest.language);
        const std::string compiled = manifest.compile ? "yes" : "no";
        if (found == nullptr) {
            rows.push_back({{manifest.language}, {"-"}, {compiled}, {"not installed", style::faint}});
            continue;
        }
        std::string versions;
        for (const auto& version : found->versions) versions += (versions.empty() ? "" : ", ") + version;
        rows.push_back({{manifest.language, style::strong},
                        {printable(versions)},
                        {compiled},
                        {printable(found->executables.at(found->versions.front()))}});
    }
    text.out(table(text, rows));
    for (const auto& error : known.errors) text.error(text.paint_error(style::bad, "weir: ") + printable(error) + "\n");
}

}  // namespace

int list_runtimes(const terminal& text, output_format output, const runtimes_command& what) {
    const auto known = read_runtimes(what.directory);
    const auto installed = stages::worker::runtimes::detect_runtimes(known.manifests);
    if (output == output_format::json) {
        print_json(text, known, installed);
    } else {
        print_text(text, known, installed);
    }
    return known.errors.empty() ? exit_ok : exit_run_failed;
}

}  // namespace app::cli
