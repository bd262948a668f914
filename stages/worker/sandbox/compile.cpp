// The compile step of the sandbox worker: a box of its own with the manifest's limits, and the artefact's way into the
// cache and out of it.
#include <fnmatch.h>

#include <algorithm>

#include "runtime/base/log.hpp"
#include "runtime/submit.hpp"
#include "runtime/timer.hpp"
#include "stages/worker/sandbox/channel/sealed_file.hpp"
#include "stages/worker/sandbox/files/taken_file.hpp"
#include "stages/worker/sandbox/sandbox_worker.hpp"

namespace stages::worker::sandbox {

using runtime::task;

namespace {

// How often one who waits for another's compiler asks whether it is done.
constexpr runtime::milliseconds look_again{10};
constexpr std::size_t output_piece_bytes = 64U << 10;

// What the compiler says, of both its streams, kept until it is known whether anybody wants to read it.
class message_collector final : public observer {
  public:
    task<void> started() override { co_return; }
    task<void> output(output_stream, std::string bytes) override {
        text += bytes;
        co_return;
    }
    std::string text;
};

bool is_source(const runtimes::compile_step& step, const std::string& path) {
    return std::ranges::any_of(step.sources, [&path](const std::string& pattern) {
        // Without FNM_PATHNAME a star also means what lies in folders.
        return fnmatch(pattern.c_str(), path.c_str(), 0) == 0;
    });
}

// Over everything that the artefact is made of, each part with its length.
artifact_key key_of(const chosen_runtime& runtime, const launch_packet& what, const launch_request& request,
                    const std::vector<const input_file*>& sources) {
    runtime::sha256_hasher hash;
    const auto add = [&hash](std::string_view part) {
        hash.update(std::to_string(part.size()) + ":");
        hash.update(part);
    };
    add(runtime.what->language);
    add(runtime.version);
    add(runtime.executable);
    add(runtime.what->file_name);
    add(runtime.what->compile->artifact);
    for (const auto* words : {&what.arguments, &what.environment}) {
        add(std::to_string(words->size()));
        for (const auto& word : *words) add(word);
    }
    add(request.script);
    for (const auto* file : sources) {
        add(file->path);
        add(file->bytes);
    }
    return hash.finish();
}

verdict failed_with(cause why, std::string message) {
    verdict out;
    out.ended_by = why;
    out.message = std::move(message);
    return out;
}

// From how the compiler's box ended to what that is for the execution; `exited` with 0 is the one good end.
void rename_end(verdict& end) {
    switch (end.ended_by) {
        case cause::exited:
            if (end.signal) end.message = "the compiler was ended by signal " + std::to_string(*end.signal);
            if (!end.signal) end.message = "the compiler exited with code " + std::to_string(end.exit_code.value_or(0));
            end.ended_by = cause::compile_error;
            break;
        case cause::cancelled:
        case cause::infrastructure: break;
        default: end.message = "the compiler " + end.message; end.ended_by = cause::compile_limit;
    }
    // Those of the program, which never began.
    end.exit_code.reset();
    end.signal.reset();
}

struct taken_artifact {
    artifact_pointer made;
    verdict problem;
};

taken_artifact take_artifact(const descriptor& disk, const runtimes::compile_step& step) {
    taken_artifact out;
    auto file = take_file(disk.get(), step.artifact, step.limits.artifact_bytes);
    if (file.fault == file_fault::too_large) {
        out.problem = failed_with(cause::compile_limit, "the compiler made a program of more than artifact_bytes: " +
                                                            std::to_string(step.limits.artifact_bytes));
        return out;
    }
    if (file.fault != file_fault::none) {
        out.problem = failed_with(cause::compile_error, "the compiler left no program called " + step.artifact + ": " +
                                                            std::string(to_string(file.fault)));
        return out;
    }
    const std::string_view text = file.bytes;
    auto memory = make_sealed_file("artifact", std::span(&text, 1));
    if (!memory) {
        out.problem =
            failed_with(cause::infrastructure, "no memory for a compiled program: " + memory.error().message());
        return out;
    }
    auto made = std::make_shared<artifact>();
    made->memory = std::move(*memory);
    made->bytes = file.bytes.size();
    out.made = std::move(made);
    return out;
}

}  // namespace

task<sandbox_worker::compiled> sandbox_worker::compile(chosen_runtime runtime, const launch_request& request,
                                                       std::stop_token stop) {
    auto what = compile_packet(runtime);
    std::vector<const input_file*> sources;
    for (const auto& file : request.files)
        if (is_source(*runtime.what->compile, file.path)) sources.push_back(&file);
    const auto key = key_of(runtime, what, request, sources);
    auto& part = options_.artifacts->part_of(key);
    artifact_cache::claim_result claim;
    do {
        const std::uint64_t waited_for = claim.making;
        auto ask = [&part, key, waited_for] { return part.cache.claim(key, waited_for); };
        claim = co_await runtime::submit(part.home, std::move(ask));
        if (claim.found) {
            compiled out;
            out.program = std::move(claim.found);
            co_return out;
        }
        if (claim.making == 0) break;
        const bool slept = co_await runtime::sleep_for(look_again, stop);
        if (!slept) {
            compiled out;
            out.end = failed_with(cause::cancelled, {});
            co_return out;
        }
    } while (true);

    box_job job;
    job.what = std::move(what);
    job.what.file_bytes = request.script;
    for (const auto* file : sources) job.files.push_back(file);
    job.limits = limits_of_compiler(runtime);
    compiled out = co_await run_compiler(runtime, std::move(job), stop);
    if (claim.license != 0) {
        auto tell = [&part, key, license = claim.license, made = out.program] {
            part.cache.settle(key, license, made);
        };
        co_await runtime::submit(part.home, std::move(tell));
    }
    co_return out;
}

task<sandbox_worker::compiled> sandbox_worker::run_compiler(chosen_runtime runtime, box_job job, std::stop_token stop) {
    compiled out;
    message_collector messages;
    auto ended = co_await run_box(std::move(job), messages, stop);
    out.end = std::move(ended.end);
    out.messages = std::move(messages.text);
    const bool good = out.end.ended_by == cause::exited && out.end.exit_code == 0 && ended.disk;
    if (!good) {
        rename_end(out.end);
        co_return out;
    }
    auto take = [disk = std::move(ended.disk), step = *runtime.what->compile] { return take_artifact(disk, step); };
    auto taken = co_await runtime::offload(std::move(take));
    out.program = std::move(taken.made);
    if (out.program) co_return out;
    const auto usage = out.end.usage;
    out.end = std::move(taken.problem);
    out.end.usage = usage;
    co_return out;
}

// What the compiler said becomes the execution's standard error.
task<verdict> sandbox_worker::tell_of_failure(compiled what, observer& watch) {
    const bool is_the_programs = what.end.ended_by == cause::compile_error || what.end.ended_by == cause::compile_limit;
    if (!is_the_programs) co_return what.end;
    co_await watch.started();
    for (std::size_t at = 0; at < what.messages.size(); at += output_piece_bytes) {
        std::string piece = what.messages.substr(at, output_piece_bytes);
        co_await watch.output(output_stream::standard_error, std::move(piece));
    }
    what.end.usage.output_bytes = what.messages.size();
    what.end.stderr_truncated = what.end.stdout_truncated || what.end.stderr_truncated;
    what.end.stdout_truncated = false;
    co_return what.end;
}

}  // namespace stages::worker::sandbox
