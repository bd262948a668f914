#include "stages/worker/sandbox/nursery.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/base/last_error.hpp"
#include "stages/worker/sandbox/channel/channel.hpp"
#include "stages/worker/sandbox/channel/sealed_file.hpp"
#include "stages/worker/sandbox/launcher_image.hpp"

namespace stages::worker::sandbox {
namespace {

// In the copy of the server, whose memory goes with it. The launcher finds its sockets by their numbers.
[[noreturn]] void become_launcher(int image, std::vector<int> sockets) {
    const int reports = sockets.front();
    const int behind = first_launcher_fd + static_cast<int>(sockets.size());
    image = fcntl(image, F_DUPFD_CLOEXEC, behind);
    bool good = image >= 0;
    for (int& socket : sockets) good = good && (socket = fcntl(socket, F_DUPFD_CLOEXEC, behind)) >= 0;
    for (std::size_t i = 0; i < sockets.size(); ++i)
        good = good && dup2(sockets[i], first_launcher_fd + static_cast<int>(i)) >= 0;
    // What a box sees as the command line of its first process.
    std::string name = "weir-nursery";
    char* arguments[] = {name.data(), nullptr};
    char* environment[] = {nullptr};
    if (good) execveat(image, "", arguments, environment, AT_EMPTY_PATH);
    report_packet report;
    report.problem = std::string("the launcher cannot be executed: ") + std::strerror(errno);
    // One of them is open still.
    if (send_packet(sockets.front(), report)) static_cast<void>(send_packet(reports, report));
    _exit(127);
}

}  // namespace

std::string launcher_report::describe() const {
    if (!problem.empty()) return "no sandbox: " + problem;
    std::string text = "limits by " + std::string(to_string(level));
    for (const auto& what : missing) text += "; " + what;
    return text;
}

runtime::result<nursery> nursery::start(const launcher_options& options, std::size_t channels) {
    nursery made;
    std::vector<descriptor> theirs;
    for (std::size_t i = 0; i < channels + 1; ++i) {
        auto ends = make_channel();
        if (!ends) return ends.error();
        made.channels_.push_back(std::move((*ends)[0]));
        theirs.push_back(std::move((*ends)[1]));
    }
    const descriptor reports = std::move(made.channels_.front());
    made.channels_.erase(made.channels_.begin());
    const launcher_packet order{options, getpid(), static_cast<std::uint32_t>(channels)};
    if (!decode(encode(order))) {
        made.report_.problem = "the runtimes' manifests name more patterns of /etc (" +
                               std::to_string(options.etc.size()) + ") or files of interpreters that boot ahead (" +
                               std::to_string(options.warm_files.size()) + ") than a launcher takes (" +
                               std::to_string(arguments_max) + ", " + std::to_string(warm_files_max) + ")";
        return made;
    }
    if (const auto failed = send_packet(reports.get(), order)) return failed;
    const auto bytes = launcher_image();
    const auto image = make_sealed_file("weir-launcher", std::span(&bytes, 1), true);
    if (!image) {
        made.report_.problem = "the launcher cannot be put into memory (vm.memfd_noexec?): " + image.error().message();
        return made;
    }
    made.process_ = fork();
    if (made.process_ < 0) return runtime::last_error();
    if (made.process_ == 0) {
        std::vector<int> sockets;
        for (const auto& socket : theirs) sockets.push_back(socket.get());
        become_launcher(image->get(), std::move(sockets));
    }
    theirs.clear();
    auto got = wait_for_packet(reports.get(), launcher_patience_ms);
    if (!got) return got.error();
    auto* report = std::get_if<report_packet>(&got->what);
    if (report == nullptr || report->rung > static_cast<std::uint8_t>(rung::rlimit))
        return runtime::error_code(EPROTO, boost::system::system_category());
    made.report_.level = static_cast<rung>(report->rung);
    made.report_.problem = std::move(report->problem);
    made.report_.missing = std::move(report->missing);
    return made;
}

}  // namespace stages::worker::sandbox
