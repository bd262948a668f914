#include "stages/worker/runtimes/manifest.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/temporary_directory.hpp"

namespace stages::worker::runtimes {
namespace {

const std::string whole = R"(language: c
file_name: main.c
executables: ["/usr/bin/gcc-[0-9]*", /usr/bin/gcc]
version:
  command: ["{executable}", -dumpfullversion]
  pattern: '^(\d+)'
preferred: /usr/bin/gcc
run: ["./{artifact}"]
environment:
  ONE: "1"
  NOTHING: ""
etc: [alternatives, "java-*"]
compile:
  command: ["{executable}", -o, "{artifact}", "{file}"]
  artifact: main
  sources: ["*.h"]
  environment: {TWO: "2"}
  limits: {wall_ms: 10, cpu_ms: 20, memory_bytes: 1GiB, processes: 5, disk_bytes: 64MiB, output_bytes: 4KiB, artifact_bytes: 100}
example: |
  int main() {}
)";

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    const auto at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    return text.replace(at, what.size(), with);
}

// The only error, without the file's name.
std::string refusal(const std::string& what, const std::string& with) {
    const auto out = parse_manifest(replaced(whole, what, with), "c.yaml");
    EXPECT_FALSE(out.value);
    EXPECT_EQ(out.errors.size(), 1U);
    if (out.errors.empty()) return "none";
    EXPECT_TRUE(out.errors.front().starts_with("c.yaml:")) << out.errors.front();
    return out.errors.front().substr(7);
}

TEST(runtimes_manifest, a_whole_one_is_read) {
    const auto out = parse_manifest(whole, "c.yaml");
    ASSERT_TRUE(out.value) << out.errors.front();
    const auto& m = *out.value;
    EXPECT_EQ(m.language, "c");
    EXPECT_EQ(m.file_name, "main.c");
    EXPECT_EQ(m.file_extension(), "c");
    EXPECT_EQ(m.executables, (std::vector<std::string>{"/usr/bin/gcc-[0-9]*", "/usr/bin/gcc"}));
    EXPECT_EQ(m.version_command, (std::vector<std::string>{"{executable}", "-dumpfullversion"}));
    EXPECT_EQ(m.version_pattern, "^(\\d+)");
    EXPECT_EQ(m.preferred, "/usr/bin/gcc");
    EXPECT_EQ(m.run, (std::vector<std::string>{"./{artifact}"}));
    EXPECT_EQ(m.variables, (environment{{"ONE", "1"}, {"NOTHING", ""}}));
    EXPECT_EQ(m.etc, (std::vector<std::string>{"alternatives", "java-*"}));
    ASSERT_TRUE(m.compile);
    EXPECT_EQ(m.compile->artifact, "main");
    EXPECT_EQ(m.compile->sources, (std::vector<std::string>{"*.h"}));
    EXPECT_EQ(m.compile->variables, (environment{{"TWO", "2"}}));
    const compile_limits expected{10, 20, 1ULL << 30, 5, 64ULL << 20, 4096, 100};
    EXPECT_EQ(m.compile->limits, expected);
    EXPECT_EQ(m.example, "int main() {}\n");
}

TEST(runtimes_manifest, what_is_wrong_is_named_with_line_field_and_reason) {
    EXPECT_EQ(refusal("preferred: /usr/bin/gcc", "prefered: /usr/bin/gcc"), "7: prefered: there is no such field");
    EXPECT_EQ(refusal("language: c", "language: [c]"), "1: language: must be a text");
    EXPECT_EQ(refusal("file_name: main.c", "file_name: {}"), "2: file_name: must be a text");
    EXPECT_EQ(refusal("run: [\"./{artifact}\"]", "run: ./main"), "8: run: must be a list of texts");
    EXPECT_EQ(refusal("run: [\"./{artifact}\"]", "run: []"), "8: run: must be a list of texts");
    EXPECT_EQ(refusal("run: [\"./{artifact}\"]", "run: [./a, [b]]"), "8: run[1]: must be a text");
    EXPECT_EQ(refusal("processes: 5", "processes: many"),
              "18: compile.limits.processes: must be a whole number above 0");
    EXPECT_EQ(refusal("processes: 5", "processes: 0"), "18: compile.limits.processes: must be a whole number above 0");
    EXPECT_EQ(refusal("64MiB", "64MB"),
              "18: compile.limits.disk_bytes: must be a number of bytes above 0, such as 4096, 64KiB, 16MiB or 1GiB");
    EXPECT_EQ(refusal("wall_ms: 10", "wall_s: 10"), "18: compile.limits.wall_s: there is no such field");
    EXPECT_EQ(refusal("  ONE: \"1\"", "  ONE-1: \"1\""),
              "10: environment: a variable's name has letters, digits and _ alone");
    EXPECT_EQ(refusal("  ONE: \"1\"", "  NOTHING: \"1\""), "11: environment.NOTHING: this field stands here twice");
    EXPECT_EQ(refusal("'^(\\d+)'", "'^\\d+'"),
              "6: version.pattern: \"^\\d+\" must have one group, which is the version");
    EXPECT_NE(refusal("'^(\\d+)'", "'^(\\d+'").find("is no regular expression"), std::string::npos);
    EXPECT_EQ(refusal("preferred: /usr/bin/gcc", "preferred: gcc"), "7: preferred: \"gcc\" must be an absolute path");
    EXPECT_EQ(refusal("language: c\n", ""), "1: language: this field is required");
    EXPECT_EQ(refusal("language: c\n", "language: c\nlanguage: c\n"), "2: language: this field stands here twice");
    EXPECT_NE(refusal("language: c\n", "language: C\n").find("must begin with a lower-case letter"), std::string::npos);
    EXPECT_NE(refusal("file_name: main.c", "file_name: ../main.c").find("without a slash"), std::string::npos);
    EXPECT_NE(refusal("artifact: main", "artifact: a/b").find("without a slash"), std::string::npos);
    EXPECT_EQ(refusal("artifact: main", "artifact: main.c"),
              "1: compile.artifact: must have another name than the script");
    EXPECT_NE(refusal("etc: [alternatives", "etc: [../shadow").find("something in /etc"), std::string::npos);
    EXPECT_NE(refusal("./{artifact}", "./{artefact}").find("placeholder {artefact}"), std::string::npos);
    EXPECT_NE(refusal("run: [\"./{artifact}\"]", "run: [gcc]").find("must begin with"), std::string::npos);
    EXPECT_NE(refusal("language: c\n", "language: c\n}\n").find("not valid YAML"), std::string::npos);
}

const std::string interpreted = R"(language: python
file_name: main.py
executables: [/usr/bin/python3]
version:
  command: ["{executable}", -V]
  pattern: '(\d+)'
run: ["{executable}", "{file}"]
warm:
  start: zygote
  file_name: hook.py
  environment: {PYTHONPATH: "{hook_folder}"}
  hook: |
    pass
example: |
  pass
)";

const std::string hook = R"(  file_name: hook.py
  environment: {PYTHONPATH: "{hook_folder}"}
  hook: |
    pass
)";

TEST(runtimes_manifest, a_warm_start_is_read) {
    const auto out = parse_manifest(interpreted, "p.yaml");
    ASSERT_TRUE(out.value) << out.errors.front();
    ASSERT_TRUE(out.value->warm);
    EXPECT_EQ(out.value->warm->kind, warm_kind::zygote);
    EXPECT_EQ(out.value->warm->file_name, "hook.py");
    EXPECT_EQ(out.value->warm->hook, "pass\n");
    EXPECT_EQ(out.value->warm->variables, (environment{{"PYTHONPATH", "{hook_folder}"}}));
    EXPECT_EQ(parse_manifest(replaced(interpreted, "zygote", "parked"), "p.yaml").value->warm->kind, warm_kind::parked);
}

// Such a zygote forks where its main() would begin.
TEST(runtimes_manifest, a_zygote_needs_no_hook) {
    const auto out = parse_manifest(replaced(interpreted, hook, ""), "p.yaml");
    ASSERT_TRUE(out.value) << out.errors.front();
    ASSERT_TRUE(out.value->warm);
    EXPECT_EQ(out.value->warm->kind, warm_kind::zygote);
    EXPECT_EQ(out.value->warm->hook, "");
}

TEST(runtimes_manifest, a_warm_start_that_cannot_work_is_named) {
    const auto only_error = [](const std::string& what, const std::string& with) {
        const auto out = parse_manifest(replaced(interpreted, what, with), "p.yaml");
        EXPECT_FALSE(out.value);
        EXPECT_EQ(out.errors.size(), 1U);
        return out.errors.empty() ? "none" : out.errors.front().substr(7);
    };
    EXPECT_EQ(only_error("start: zygote", "start: hot"), "9: warm.start: \"hot\" must be zygote or parked");
    EXPECT_NE(only_error("hook.py", "a/hook.py").find("without a slash"), std::string::npos);
    EXPECT_EQ(only_error("  file_name: hook.py\n", ""), "9: warm.file_name: this field is required");
    EXPECT_EQ(only_error("  hook: |\n    pass\n", ""), "9: warm.hook: this field is required");
    EXPECT_EQ(parse_manifest(replaced(replaced(interpreted, hook, ""), "zygote", "parked"), "p.yaml").errors.size(),
              2U);
    EXPECT_NE(only_error("\"{file}\"]", "\"--max={memory_bytes}\", \"{file}\"]").find("a request's limits"),
              std::string::npos);
    EXPECT_NE(only_error("example: |", "compile: {command: [\"{executable}\"], artifact: a}\nexample: |")
                  .find("nothing to boot ahead"),
              std::string::npos);
}

TEST(runtimes_manifest, every_mistake_is_told_at_once) {
    const auto out = parse_manifest("language: 7\nnonsense: 1\n", "x.yaml");
    EXPECT_FALSE(out.value);
    EXPECT_EQ(out.errors.size(), 7U);  // one bad, one unknown, five missing
    EXPECT_FALSE(parse_manifest("", "x.yaml").value);
    EXPECT_FALSE(parse_manifest("[1, 2]", "x.yaml").value);
}

TEST(runtimes_manifest, limits_on_a_manifest_itself) {
    std::string many = "[a";
    for (std::size_t i = 0; i < manifest_list_max; ++i) many += ", a";
    EXPECT_NE(refusal("etc: [alternatives, \"java-*\"]", "etc: " + many + "]").find("at most 64 entries"),
              std::string::npos);
    EXPECT_NE(refusal("etc: [alternatives", "etc: [" + std::string(5000, 'x')).find("at most 4096 bytes"),
              std::string::npos);
}

TEST(runtimes_manifest, placeholders_are_replaced_and_other_braces_are_not) {
    command_values values{"/usr/lib/jvm/17/bin/javac", "Main.java", "main.jar", "17", 1024};
    EXPECT_EQ(
        expand({"{folder}/java", "-Xmx{memory_bytes}", "{file}{artifact}", "{version}", "{}", "{no}", "${x"}, values),
        (std::vector<std::string>{"/usr/lib/jvm/17/bin/java", "-Xmx1024", "Main.javamain.jar", "17", "{}", "{no}",
                                  "${x"}));
    values.executable = "{file}";  // what was put in is not looked at again
    EXPECT_EQ(expand({"{executable}"}, values), (std::vector<std::string>{"{file}"}));
}

TEST(runtimes_manifest, a_folder_is_read_whole_or_not_at_all) {
    const tests::temporary_directory folder;
    const auto write = [&folder](const std::string& name, const std::string& text) {
        std::ofstream(folder.path() + "/" + name) << text;
    };
    write("c.yaml", whole);
    write("README.md", "not a manifest");
    auto out = read_manifests(folder.path());
    EXPECT_TRUE(out.errors.empty());
    ASSERT_EQ(out.manifests.size(), 1U);
    write("d.yaml", whole);
    out = read_manifests(folder.path());
    ASSERT_EQ(out.errors.size(), 1U);
    EXPECT_NE(out.errors.front().find("is for the same language"), std::string::npos);
    write("d.yaml", std::string(manifest_bytes_max + 1, '#'));
    out = read_manifests(folder.path());
    ASSERT_EQ(out.errors.size(), 1U);
    EXPECT_NE(out.errors.front().find("at most 65536 bytes"), std::string::npos);
    EXPECT_EQ(read_manifests("/no/such/folder").errors.size(), 1U);
}

TEST(runtimes_manifest, those_that_come_with_weir_are_good) {
    const auto out = read_manifests(WEIR_RUNTIMES_DIR);
    for (const auto& error : out.errors) ADD_FAILURE() << error;
    EXPECT_GE(out.manifests.size(), 5U);
}

}  // namespace
}  // namespace stages::worker::runtimes
