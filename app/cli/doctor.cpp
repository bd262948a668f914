#include <algorithm>
#include <iterator>

#include "app/cli/commands.hpp"
#include "app/cli/exit_code.hpp"
#include "app/cli/machine_checks.hpp"
#include "http/json_writer.hpp"

namespace app::cli {
namespace {

std::string_view to_string(health verdict) {
    switch (verdict) {
        case health::good: return "good";
        case health::warning: return "warning";
        case health::problem: break;
    }
    return "problem";
}

style style_of(health verdict) {
    switch (verdict) {
        case health::good: return style::good;
        case health::warning: return style::warning;
        case health::problem: break;
    }
    return style::bad;
}

std::size_t count_of(const std::vector<finding>& all, health verdict) {
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [verdict](const finding& one) { return one.verdict == verdict; }));
}

void print_json(const terminal& text, const std::vector<finding>& all) {
    std::string out;
    http::json_writer json(out);
    json.begin_object().key("checks").begin_array();
    for (const auto& one : all)
        json.begin_object()
            .member("check", std::string_view(one.check))
            .member("verdict", to_string(one.verdict))
            .member("found", std::string_view(one.found))
            .member("advice", std::string_view(one.advice))
            .end_object();
    json.end_array();
    json.member("warnings", count_of(all, health::warning)).member("problems", count_of(all, health::problem));
    json.end_object();
    text.out(out + "\n");
}

void print_text(const terminal& text, const std::vector<finding>& all) {
    std::vector<std::vector<cell>> rows{{{"CHECK"}, {"VERDICT"}, {"FOUND"}}};
    for (const auto& one : all) {
        rows.push_back(
            {{one.check}, {std::string(to_string(one.verdict)), style_of(one.verdict)}, {printable(one.found)}});
        if (!one.advice.empty()) rows.push_back({{""}, {""}, {one.advice, style::faint}});
    }
    text.out(table(text, rows));
    const std::size_t warnings = count_of(all, health::warning);
    const std::size_t problems = count_of(all, health::problem);
    text.out(std::to_string(problems) + (problems == 1 ? " problem, " : " problems, ") + std::to_string(warnings) +
             (warnings == 1 ? " warning\n" : " warnings\n"));
}

}  // namespace

int examine_machine(const terminal& text, output_format output, const doctor_command& what) {
    std::vector<finding> all = check_host();
    all.push_back(check_sandbox());  // forks, so before there are threads
    const auto append = [&all](std::vector<finding> more) {
        all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    };
    append(check_runtimes());
    append(check_disk(what.directory));
    if (output == output_format::json) {
        print_json(text, all);
    } else {
        print_text(text, all);
    }
    return count_of(all, health::problem) == 0 ? exit_ok : exit_run_failed;
}

}  // namespace app::cli
