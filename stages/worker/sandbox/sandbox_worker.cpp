#include "stages/worker/sandbox/sandbox_worker.hpp"

#include <fcntl.h>
#include <signal.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/system/errc.hpp>
#include <cerrno>

#include "runtime/base/assert.hpp"
#include "runtime/base/last_error.hpp"
#include "runtime/spawn.hpp"
#include "runtime/with_deadline.hpp"
#include "stages/worker/sandbox/active_run.hpp"
#include "stages/worker/sandbox/channel/sealed_file.hpp"
#include "stages/worker/sandbox/verdicts.hpp"

namespace stages::worker::sandbox {

namespace asio = boost::asio;
namespace errc = boost::system::errc;
using runtime::error_code;
using runtime::milliseconds;
using runtime::result;
using runtime::task;

namespace {

constexpr milliseconds fetch_wait{10'000};
constexpr milliseconds retry_after{200};
constexpr milliseconds last_output_wait{1000};  // of a tree whose broker has died
constexpr milliseconds drain_pause{1};
constexpr std::uint64_t cache_bytes = 256ULL << 20;

// A pipe that holds all of it and has no writer: byte-exact, then end of file, and nobody has to pump. What is too
// large for a pipe here is a sealed file in memory.
result<descriptor> make_standard_input(const std::string& bytes) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return runtime::last_error();
    descriptor read_end(ends[0]);
    const descriptor write_end(ends[1]);
    const bool fits =
        bytes.size() <= 16U * 4096U ||
        fcntl(write_end.get(), F_SETPIPE_SZ, static_cast<int>(bytes.size())) >= static_cast<int>(bytes.size());
    if (fits) {
        fcntl(write_end.get(), F_SETFL, O_NONBLOCK);
        if (bytes.empty() || ::write(write_end.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()))
            return read_end;
    }
    const std::string_view text = bytes;
    return make_sealed_file("stdin", std::span(&text, 1));
}

std::unique_ptr<network::resolver> make_resolver(runtime::shard& home, const worker_options& options) {
    if (options.make_resolver) return options.make_resolver(home);
    return std::make_unique<network::system_resolver>(home);
}

// Nobody listens to the box that start() tries.
class nobody final : public observer {
  public:
    task<void> started() override { co_return; }
    task<void> output(output_stream, std::string) override { co_return; }
};

}  // namespace

sandbox_worker::sandbox_worker(runtime::shard& home, descriptor channel, worker_options options)
    : home_(home),
      options_(std::move(options)),
      channel_(home.get_executor(), channel.release()),
      broker_changed_(home),
      outbox_sent_(home),
      network_(home, options_.network, make_resolver(home, options_)),
      gate_(home) {
    if (!options_.artifacts) options_.artifacts = std::make_shared<artifact_directory>(home.id() + 1, cache_bytes);
    options_.artifacts->open_part(home);
    prepare_warm_runtimes();
}

sandbox_worker::~sandbox_worker() = default;

task<verdict> sandbox_worker::run(launch_request request, observer& watch, std::stop_token stop) {
    const auto runtime = choose_runtime(options_.runtimes, request.lang, request.lang_version);
    if (!runtime.found()) {
        verdict none;
        none.message = "this machine has no " + request.lang + " " + request.lang_version;
        co_return none;
    }
    box_job job;
    if (runtime.what->compile) {
        auto made = co_await compile(runtime, request, stop);
        if (!made.program) co_return co_await tell_of_failure(std::move(made), watch);
        job.program = std::move(made.program);
        job.program_name = runtime.what->compile->artifact;
    }
    job.what = program_packet(runtime, request);
    if (!job.program) {
        job.what.file_name = runtime.what->file_name;
        job.what.file_bytes = std::move(request.script);
    }
    job.standard_input = std::move(request.standard_input);
    for (const auto& file : request.files) job.files.push_back(&file);
    job.limits = request.limits;
    if (request.live_input) attach(job, std::move(request.live_input));
    job.what.keep_disk = !request.outputs.empty();
    job.network = std::move(request.network);
    if (job.network.mode != pipeline::network_mode::none) connect_box(job.what);
    // Of a program with a network its filter has to know that it has begun.
    job.what.unfollowed = request.unfollowed && !job.live && !job.what.network;
    if (!request.cold) allow_warm_start(job, runtime);
    auto ended = co_await run_box(std::move(job), watch, stop);
    if (ended.disk)
        ended.end.outputs = co_await take_outputs(std::move(ended.disk), std::move(request.outputs),
                                                  request.output_each_max, request.outputs_together_max);
    co_return std::move(ended.end);
}

task<result<void>> sandbox_worker::start() {
    runtime::spawn(gate_, home_, keep_broker());
    box_job job;
    auto& what = job.what;
    auto& limits = job.limits;
    limits.wall_ms = 20'000;
    what.limits = {limits.wall_ms, limits.cpu_ms, limits.memory_bytes, limits.processes, limits.disk_bytes};
    what.executable = "/bin/true";
    what.arguments = {"true"};
    what.environment = box_environment();
    nobody watch;
    const auto ended = co_await run_box(std::move(job), watch, {});
    const auto& tried = ended.end;
    if (tried.ended_by == cause::exited && tried.exit_code == 0) co_return result<void>();
    if (!tried.message.empty()) problem_ = tried.message;
    if (problem_.empty()) problem_ = "the first box did not run /bin/true";
    co_return make_error_code(errc::operation_not_supported);
}

task<void> sandbox_worker::stop() {
    stopping_.request_stop();
    error_code ignored;
    channel_.cancel(ignored);
    if (broker_) broker_->cancel(ignored);
    broker_changed_.notify_all();
    co_await gate_.close();
    co_await network_.names->stop();
}

task<bool> sandbox_worker::wait_for_broker() {
    const auto deadline = home_.time().steady() + options_.broker_wait;
    while (!broker_ && !stopping_.stop_requested() && home_.time().steady() < deadline)
        static_cast<void>(co_await broker_changed_.wait_until(deadline));
    co_return broker_.has_value() && !stopping_.stop_requested();
}

result<std::vector<descriptor>> sandbox_worker::open_streams(active_run& run, const std::string& standard_input) {
    std::vector<descriptor> files;
    if (run.has_terminal) return files;
    auto input = run.live ? make_live_input(run) : make_standard_input(standard_input);
    if (!input) return input.error();
    files.push_back(std::move(*input));
    for (auto& pipe : run.pipes_not_waited_for) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) return runtime::last_error();
        pipe.reset(ends[0]);
        files.emplace_back(ends[1]);
        if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return runtime::last_error();
    }
    return files;
}

// The bytes of input files travel in one sealed file, those of a compiled program in its own.
result<void> sandbox_worker::add_files(box_job& job, std::vector<descriptor>& to) {
    std::vector<std::string_view> texts;
    std::uint8_t source = 0;
    std::uint64_t offset = 0;
    for (const auto* file : job.files) {
        job.what.files.push_back({file->path, false, source, offset, file->bytes.size()});
        offset += file->bytes.size();
        texts.push_back(file->bytes);
    }
    if (!texts.empty()) {
        auto all = make_sealed_file("files", texts);
        if (!all) return all.error();
        to.push_back(std::move(*all));
        ++source;
    }
    if (job.program) {
        job.what.files.push_back({job.program_name, true, source, 0, job.program->bytes});
        to.emplace_back(fcntl(job.program->memory.get(), F_DUPFD_CLOEXEC, 0));
        if (!to.back()) return runtime::last_error();
    }
    return {};
}

task<sandbox_worker::box_outcome> sandbox_worker::run_box(box_job job, observer& watch, std::stop_token stop) {
    box_outcome out;
    if (stop.stop_requested()) {
        out.end.ended_by = cause::cancelled;
        co_return out;
    }
    if (!broker_ && !co_await wait_for_broker()) {
        out.end.message = problem_.empty() ? "no broker" : problem_;
        co_return out;
    }
    auto run = std::make_shared<active_run>(home_, job.limits);
    run->number = next_run_++;
    run->watch = &watch;
    run->live = job.live;
    run->has_terminal = job.what.terminal.rows != 0;
    if (run->live) run->unfed = std::move(job.standard_input);
    if (job.what.network) run->network.emplace(home_, network_, job.network);
    auto files = open_streams(*run, job.standard_input);
    if (files) {
        const auto added = add_files(job, *files);
        if (!added) files = added.error();
    }
    if (!files) {
        out.end.message = "no pipes: " + files.error().message();
        co_return out;
    }
    job.what.run = run->number;
    runs_.emplace(run->number, run);
    ++counters_.launched;
    // While programs want this CPU, polling would take it from them.
    home_.allow_polling(false);
    post(std::move(job.what), std::move(*files));
    watch_for_silence(run, home_.time().steady() + milliseconds(job.limits.wall_ms) + options_.overdue);
    co_await follow(run, stop);
    if (run->network) co_await run->network->end();
    if (run->overdue) home_.timers().cancel(*run->overdue);
    runs_.erase(run->number);
    if (runs_.empty()) home_.allow_polling(true);
    ++counters_.ended;
    out.disk = std::move(run->disk);
    out.end = verdict_of(*run->end, job.limits);
    if (run->network) out.end.network = run->network->use();
    if (run->begun) out.end.isolation = {options_.limits, static_cast<box_start>(run->start)};
    out.end.usage.output_bytes = run->output_bytes;
    out.end.stdout_truncated = run->framers[0].truncated();
    out.end.stderr_truncated = run->framers[1].truncated();
    co_return out;
}

// From the launch to the end of the tree and of its output.
task<void> sandbox_worker::follow(run_pointer run, std::stop_token stop) {
    const std::stop_callback on_stop(stop,
                                     [this, number = run->number] { request_kill(number, kill_reason::cancelled); });
    while (!run->begun && !run->end) co_await run->changed.wait();
    if (run->begun) {
        co_await run->watch->started();
        begin_live(run);
        begin_network(*run);
        for (const auto which : {output_stream::standard_output, output_stream::standard_error}) {
            const auto number = static_cast<std::size_t>(which);
            if (!run->pipes[number] && !run->pipes_not_waited_for[number]) continue;
            ++run->readers;
            WEIR_ASSERT(runtime::spawn(gate_, home_, read_stream(run, which)));
        }
    }
    while (!run->end || run->readers > 0) co_await run->changed.wait();
}

// False if that is not possible now.
bool sandbox_worker::wait_for(std::optional<stream>& pipe, descriptor& file) {
    pipe.emplace(home_.get_executor());
    error_code failed;
    pipe->assign(file.get(), failed);
    if (failed) pipe.reset();
    if (!failed) static_cast<void>(file.release());
    return !failed;
}

task<void> sandbox_worker::read_stream(run_pointer run, output_stream which) {
    auto& pipe = run->pipes[static_cast<std::size_t>(which)];
    auto& not_waited_for = run->pipes_not_waited_for[static_cast<std::size_t>(which)];
    output_framer& framer = run->framers[static_cast<std::size_t>(which)];
    const int file = pipe ? pipe->native_handle() : not_waited_for.get();
    for (;;) {
        const ssize_t n = ::read(file, buffer_.data(), buffer_.size());
        if (n == 0) break;
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            // With the tree gone there are no writers, and end of file comes; should a descriptor have got away, this.
            if (errno != EAGAIN || run->output_over) break;
            error_code ignored;
            if (!pipe && !wait_for(pipe, not_waited_for)) {
                co_await runtime::sleep_for(drain_pause);
                continue;
            }
            co_await pipe->async_wait(stream::wait_read, asio::redirect_error(runtime::use_task, ignored));
            continue;
        }
        run->output_bytes += static_cast<std::uint64_t>(n);
        const bool was_cut = framer.truncated();
        auto frames = framer.feed({buffer_.data(), static_cast<std::size_t>(n)});
        for (auto& frame : frames) co_await run->watch->output(which, std::move(frame.bytes));
        if (!framer.truncated()) continue;
        if (!was_cut) ++counters_.output_limit_reached;
        if (!was_cut && run->kills_on_output) request_kill(run->number, kill_reason::output);
        // What is dropped must still be read, but not as fast as a program can write.
        if (!run->end) co_await runtime::sleep_for(drain_pause);
    }
    auto frames = framer.finish();
    for (auto& frame : frames) co_await run->watch->output(which, std::move(frame.bytes));
    --run->readers;
    run->changed.notify_all();
}

void sandbox_worker::request_kill(std::uint64_t run, kill_reason why) {
    const auto found = runs_.find(run);
    if (found == runs_.end() || found->second->end) return;
    post(kill_packet{run, why});
}

void sandbox_worker::end_run(active_run& run) {
    run.output_over = true;
    error_code ignored;
    for (auto& pipe : run.pipes)
        if (pipe) pipe->cancel(ignored);
    if (run.input) run.input->cancel(ignored);
    if (run.live) run.live->news().notify_all();
    outbox_sent_.notify_all();
    run.changed.notify_all();
}

void sandbox_worker::on_packet(received got) {
    packet& what = got.what;
    last_packet_ = home_.time().steady();
    if (const auto* started = std::get_if<started_packet>(&what)) {
        const auto found = runs_.find(started->run);
        if (found == runs_.end()) return;
        found->second->begun = true;
        take_at_start(*found->second, std::move(got.descriptors));
        found->second->start = started->start;
        if (started->start != start_kind::cold) ++counters_.warm_starts;
        found->second->changed.notify_all();
    } else if (auto* ended = std::get_if<ended_packet>(&what)) {
        const auto found = runs_.find(ended->run);
        if (found == runs_.end() || found->second->end) return;
        found->second->end = std::move(*ended);
        if (got.descriptors.size() == 1) found->second->disk = std::move(got.descriptors.front());
        end_run(*found->second);
    } else if (auto* pool = std::get_if<pool_packet>(&what)) {
        on_pool(std::move(*pool));
    }
}

// Their trees die with the broker, but nobody tells how far they came.
void sandbox_worker::lose_runs() {
    for (auto& [number, run] : runs_) {
        if (run->end) continue;
        ended_packet unknown;
        unknown.run = number;
        unknown.message = "the broker of this box has died";
        run->end = std::move(unknown);
        run->changed.notify_all();
        // What the tree has written until its death is kept: the readers go on to the end of file.
        home_.timers().add(home_.time().steady() + last_output_wait, [this, weak = std::weak_ptr(run)] {
            if (const auto late = weak.lock()) end_run(*late);
        });
    }
}

// A box that takes long to begin or to die, because the machine is busy, is no reason to lose all others of its broker:
// only one that says nothing of any box is taken for hung.
void sandbox_worker::watch_for_silence(const run_pointer& run, runtime::steady_time at) {
    run->overdue = home_.timers().add(at, [this, weak = std::weak_ptr(run)] {
        const auto late = weak.lock();
        if (!late || late->end) return;
        const auto now = home_.time().steady();
        if (now - last_packet_ < options_.overdue) return watch_for_silence(late, now + options_.overdue);
        // It still holds its end of the socket, so the number cannot belong to another process.
        if (broker_ && broker_process_ > 0) ::kill(broker_process_, SIGKILL);
    });
}

task<void> sandbox_worker::keep_broker() {
    while (!stopping_.stop_requested()) {
        const auto fetched = co_await fetch_broker();
        if (!fetched) {
            if (stopping_.stop_requested()) co_return;
            if (problem_.empty()) problem_ = "no broker: " + fetched.error().message();
            co_await runtime::sleep_for(retry_after, stopping_.get_token());
            continue;
        }
        problem_.clear();
        introduce_warm_runtimes();
        broker_changed_.notify_all();
        co_await read_packets();
        broker_.reset();
        outbox_.clear();
        lose_runs();
        if (!stopping_.stop_requested()) ++counters_.brokers_lost;
    }
}

task<result<void>> sandbox_worker::fetch_broker() {
    const error_code failed = send_packet(channel_.native_handle(), broker_wanted_packet{});
    if (failed) co_return failed;
    const auto deadline = home_.time().steady() + fetch_wait;
    for (;;) {
        auto got = receive_packet(channel_.native_handle());
        if (got) {
            const auto* here = std::get_if<broker_here_packet>(&got->what);
            if (here == nullptr) continue;
            problem_ = here->message;
            if (here->process == 0 || got->descriptors.size() != 1) co_return make_error_code(errc::protocol_error);
            broker_process_ = here->process;
            broker_.emplace(home_.get_executor(), got->descriptors.front().release());
            co_return result<void>();
        }
        if (got.error() != errc::resource_unavailable_try_again) co_return got.error();
        error_code waited;
        auto readable = channel_.async_wait(stream::wait_read, asio::redirect_error(runtime::use_task, waited));
        const auto in_time = co_await runtime::with_deadline(deadline, std::move(readable));
        if (!in_time) co_return in_time.error();
        if (waited) co_return waited;
    }
}

task<void> sandbox_worker::read_packets() {
    while (!stopping_.stop_requested()) {
        auto got = receive_packet(broker_->native_handle());
        if (got) {
            on_packet(std::move(*got));
            continue;
        }
        if (got.error() != errc::resource_unavailable_try_again) co_return;
        error_code waited;
        co_await broker_->async_wait(stream::wait_read, asio::redirect_error(runtime::use_task, waited));
        if (waited) co_return;
    }
}

void sandbox_worker::post(packet what, std::vector<descriptor> files) {
    outbox_.push_back({std::move(what), std::move(files)});
    if (flushing_ || flush()) return;
    flushing_ = runtime::spawn(gate_, home_, flush_later());
}

// True when nothing is left to send. A dead socket is found by its reader.
bool sandbox_worker::flush() {
    while (broker_ && !outbox_.empty()) {
        const auto& next = outbox_.front();
        std::vector<int> numbers;
        for (const auto& file : next.files) numbers.push_back(file.get());
        const auto failed = send_packet(broker_->native_handle(), next.what, numbers);
        if (failed == errc::resource_unavailable_try_again) return false;
        outbox_.pop_front();
    }
    return true;
}

task<void> sandbox_worker::flush_later() {
    while (broker_ && !stopping_.stop_requested() && !flush()) {
        error_code ignored;
        co_await broker_->async_wait(stream::wait_write, asio::redirect_error(runtime::use_task, ignored));
    }
    flushing_ = false;
    outbox_sent_.notify_all();
}

}  // namespace stages::worker::sandbox
