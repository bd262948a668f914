#include "stages/saga/attempt.hpp"

#include <utility>

#include "runtime/base/marks.hpp"
#include "stages/saga/verdicts.hpp"
#include "stages/worker/output_framer.hpp"

namespace stages::saga {

using pipeline::execution;
using runtime::result;
using runtime::task;
using worker::output_stream;

namespace {

// Writes down what the program does, as it happens.
class recorder final : public worker::observer {
  public:
    recorder(pipeline::shard_state& state, std::shared_ptr<execution> e)
        : state_(state), execution_(std::move(e)), framers_{framer(), framer()} {}

    task<void> started() override { note(co_await state_.transitions.start(execution_)); }

    task<void> output(output_stream stream, std::string bytes) override {
        co_await record(stream, framer_of(stream).feed(bytes));
    }

    // At the end of a stream: what still waited for the rest of a character.
    [[nodiscard]] std::vector<worker::output_frame> rest(output_stream stream) { return framer_of(stream).finish(); }
    // Returns when this is appended and what was before it is durable: what arrives while the disk writes becomes one
    // piece, and the last piece goes the same way as the end of the attempt.
    task<void> record(output_stream stream, std::vector<worker::output_frame> frames) {
        for (auto& frame : frames) {
            if (failure_) co_return;
            pipeline::output_record what;
            what.stream = static_cast<pipeline::stream>(stream);
            what.offset = frame.offset;
            what.is_text = frame.is_text;
            what.bytes = std::move(frame.bytes);
            note(co_await state_.transitions.output(execution_, std::move(what)));
            const auto before = std::exchange(appended_[static_cast<std::size_t>(stream)], execution_->last_offset);
            if (state_.journal.is_durable(execution_->partition, before)) continue;
            WEIR_SOMETIMES(true, "output waited for the disk to take what was before it");
            note(co_await state_.journal.durable_patiently(execution_->partition, before));
        }
    }

    [[nodiscard]] bool truncated(output_stream stream) { return framer_of(stream).truncated(); }
    // The log has failed for good.
    [[nodiscard]] runtime::error_code failure() const { return failure_; }

  private:
    [[nodiscard]] worker::output_framer framer() const {
        return worker::output_framer(execution_->spec.limits.output_bytes);
    }
    worker::output_framer& framer_of(output_stream stream) { return framers_[static_cast<std::size_t>(stream)]; }

    void note(const result<void>& done) {
        if (!done && !failure_) failure_ = done.error();
    }

    pipeline::shard_state& state_;
    std::shared_ptr<execution> execution_;
    std::array<worker::output_framer, 2> framers_;
    std::array<storage::offset, 2> appended_{};  // the last piece of each stream
    runtime::error_code failure_;
};

// One of accepted_record::payloads() that is a blob.
task<result<std::string>> read_blob(pipeline::shard_state& state, std::shared_ptr<execution> e, std::size_t which) {
    while (true) {
        const std::uint32_t renewals = e->renewals;
        auto bytes = co_await state.blobs.get(e->partition, e->spec.payloads()[which]->blob);
        // Written again at another place while we read: what lay here may be gone.
        if (bytes || e->renewals == renewals) co_return bytes;
    }
}

worker::program_limits limits_of(const pipeline::script_limits& in) {
    worker::program_limits out;
    out.wall_ms = in.wall_ms;
    out.cpu_ms = in.cpu_ms;
    out.memory_bytes = in.memory_bytes;
    out.processes = in.processes;
    out.output_bytes = in.output_bytes;
    out.disk_bytes = in.disk_bytes;
    out.when_output_is_full =
        in.kill_on_output_limit ? worker::on_output_limit::kill : worker::on_output_limit::truncate;
    return out;
}

// They lie one behind the other.
bool cut_files(const std::vector<pipeline::accepted_record::file>& files, const std::string& all,
               std::vector<worker::input_file>& out) {
    std::size_t at = 0;
    for (const auto& file : files) {
        if (file.bytes > all.size() - at) return false;
        out.push_back({file.path, all.substr(at, file.bytes)});
        at += file.bytes;
    }
    return at == all.size();
}

using payload_texts = std::array<std::string, pipeline::request_payloads>;

result<worker::launch_request> make_request(const execution& e, payload_texts texts) {
    auto& [script, standard_input, files] = texts;
    const auto& more = e.spec.more();
    worker::launch_request out;
    if (!cut_files(more.files, files, out.files)) return storage::make_error_code(storage::log_errc::corrupt);
    out.outputs = more.outputs;
    out.cold = e.spec.cold_start;
    out.unfollowed = e.changed.waiting() > 0 && e.followers == 0;
    out.output_each_max = pipeline::artifact_bytes_max;
    out.outputs_together_max = pipeline::artifacts_bytes_max;
    out.execution = e.id;
    out.attempt = e.attempt;
    out.lang = e.spec.lang;
    out.lang_version = e.spec.lang_version;
    out.script = std::move(script);
    out.args = more.args;
    out.standard_input = std::move(standard_input);
    out.limits = limits_of(e.spec.limits);
    out.live_input = e.input;
    out.network = e.spec.more().network;
    return out;
}

// What is a blob stays empty.
payload_texts texts_in_record(const execution& e, bool& whole) {
    payload_texts texts;
    whole = true;
    for (std::size_t which = 0; which < texts.size(); ++which) {
        const auto& payload = *e.spec.payloads()[which];
        texts[which] = payload.inline_bytes;
        whole = whole && !payload.is_blob();
    }
    return texts;
}

// Into those that texts_in_record() left empty.
task<result<void>> read_blobs(pipeline::shard_state& state, std::shared_ptr<execution> e, payload_texts& texts) {
    for (std::size_t which = 0; which < texts.size(); ++which) {
        if (!e->spec.payloads()[which]->is_blob()) continue;
        auto bytes = co_await read_blob(state, e, which);
        if (!bytes) co_return bytes.error();
        texts[which] = std::move(*bytes);
    }
    co_return result<void>();
}

}  // namespace

task<result<attempt_outcome>> run_attempt(pipeline::shard_state& state, worker::worker& worker,
                                          std::shared_ptr<execution> e) {
    // The intention is durable before anything starts, so that this number is never started again.
    const auto scheduled = co_await state.transitions.schedule(e);
    if (!scheduled) co_return scheduled.error();

    attempt_outcome outcome;
    bool whole = false;
    auto texts = texts_in_record(*e, whole);
    result<void> read;
    if (!whole) read = co_await read_blobs(state, e, texts);
    auto request = read ? make_request(*e, std::move(texts)) : result<worker::launch_request>(read.error());
    if (!request) {
        outcome.verdict = could_not_start("the request cannot be read back: " + request.error().message());
        co_return outcome;
    }

    recorder watch(state, e);
    e->waits_for = pipeline::pending::program;
    auto seen = co_await worker.run(std::move(*request), watch, e->cancel_program.get_token());
    if (e->input) e->input->program_ended();
    e->waits_for = pipeline::pending::commit;
    for (const auto stream : {output_stream::standard_output, output_stream::standard_error}) {
        auto rest = watch.rest(stream);
        if (!rest.empty()) co_await watch.record(stream, std::move(rest));
    }
    if (watch.failure()) co_return watch.failure();

    outcome.verdict = to_view(seen);
    outcome.verdict.stdout_truncated |= watch.truncated(output_stream::standard_output);
    outcome.verdict.stderr_truncated |= watch.truncated(output_stream::standard_error);
    for (auto& output : seen.outputs) {
        if (output.fault == worker::output_fault::too_large) state.home.metrics().limit_reached("artifact_bytes_max");
        if (output.fault == worker::output_fault::too_large_together)
            state.home.metrics().limit_reached("artifacts_bytes_max");
        outcome.artifacts.push_back(std::move(output.bytes));
    }
    co_return outcome;
}

}  // namespace stages::saga
