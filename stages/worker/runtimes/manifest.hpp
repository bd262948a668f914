// Manifests: what a language needs to run here, one YAML file each, read at start. docs/languages.md is the operator's
// page; the folder runtimes/ has those that come with Weir.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stages::worker::runtimes {

inline constexpr std::size_t manifest_bytes_max = 64U << 10;
inline constexpr std::size_t manifests_max = 256;        // files of a folder
inline constexpr std::size_t manifest_list_max = 64;     // entries of a list or a map in it
inline constexpr std::size_t manifest_text_max = 4096;   // bytes of a text, but for the example
inline constexpr std::size_t file_name_bytes_max = 255;  // of one file in the work directory

using environment = std::vector<std::pair<std::string, std::string>>;

// Of the compile step alone; a client's limits are for its program. All above 0.
struct compile_limits {
    std::uint64_t wall_ms = 300'000;  // a busy machine gives boxes the CPU time that is left; cpu_ms bounds the work
    std::uint64_t cpu_ms = 60'000;
    std::uint64_t memory_bytes = 1ULL << 30;
    std::uint64_t processes = 64;
    std::uint64_t disk_bytes = 256ULL << 20;
    std::uint64_t output_bytes = 256ULL << 10;   // what of the compiler's messages is kept
    std::uint64_t artifact_bytes = 64ULL << 20;  // a larger artefact is refused
    friend bool operator==(const compile_limits&, const compile_limits&) = default;
};

struct compile_step {
    std::vector<std::string> command;  // a template, see expand()
    std::string artifact;              // the file in the work directory that it makes
    std::vector<std::string> sources;  // patterns of those input files that it gets to see, beside the script
    environment variables;             // beside those of the manifest
    compile_limits limits;
};

// How programs of a language begin without the boot of its interpreter. It is started by the `run` command ahead of any
// program, with a hook that it loads before the script, by these variables. The hook waits by opening
// inside::order_path, and when that is readable makes up for what could not be known at the boot.
enum class warm_kind : std::uint8_t {
    zygote,  // one interpreter forks itself into each box; the hook calls fork until that returns 0
    parked,  // each box has an interpreter of its own, which runs one program
};
struct warm_start {
    warm_kind kind = warm_kind::zygote;
    std::string file_name;  // of the hook
    std::string hook;       // empty: a zygote that forks where its main() would begin
    environment variables;  // beside the manifest's; {hook} is the hook's path, {hook_folder} its folder
};

struct manifest {
    std::string file;  // where it was read
    std::string language;
    std::string file_name;                 // of the script in the work directory
    std::vector<std::string> executables;  // patterns of absolute paths
    std::vector<std::string> version_command;
    std::string version_pattern;  // a regular expression with one group, which is the version
    std::string preferred;        // a path: the version that it leads to is the default one, else the newest
    std::vector<std::string> run;
    environment variables;
    std::vector<std::string> etc;  // patterns of what the box sees of the machine's /etc, beside the usual
    std::optional<compile_step> compile;
    std::optional<warm_start> warm;
    std::string example;

    // "py" of main.py.
    [[nodiscard]] std::string file_extension() const;
};

// A manifest, or every mistake in it as "file:line: field: reason".
struct parsed_manifest {
    std::optional<manifest> value;
    std::vector<std::string> errors;
};
parsed_manifest parse_manifest(const std::string& text, const std::string& file);

// All *.yaml of a folder, in order of their languages. With errors none of them may be used.
struct manifest_folder {
    std::vector<manifest> manifests;
    std::vector<std::string> errors;
};
manifest_folder read_manifests(const std::string& folder);

// What stands for the placeholders of a command template: {executable}, {folder} (the executable's), {file} (the
// script), {artifact}, {version}, {memory_bytes} (the limit of what is started).
struct command_values {
    std::string executable;
    std::string file;
    std::string artifact;
    std::string version;
    std::uint64_t memory_bytes = 0;
};
std::vector<std::string> expand(const std::vector<std::string>& command, const command_values& values);

}  // namespace stages::worker::runtimes
