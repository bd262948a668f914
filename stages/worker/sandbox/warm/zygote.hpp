// An interpreter that has booted and makes copies of itself, each in a box that is there already. It runs no user's
// code and sees no user's bytes. Owned by a broker, and dies with it.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "runtime/base/result.hpp"
#include "stages/worker/sandbox/box/box.hpp"
#include "stages/worker/sandbox/inside/wire.hpp"

namespace stages::worker::sandbox {

class zygote {
  public:
    // Copies share the layout of their memory and the seed of their hash tables; so after some a new one takes over.
    static constexpr std::uint32_t children_max = 1000;

    // Starts the interpreter; it is ready when report() has said so once.
    static runtime::result<zygote> start(const box_context& context, const warm_packet& what);
    zygote(zygote&&) noexcept = default;
    zygote& operator=(zygote&&) noexcept = default;
    ~zygote();

    // Readable when there is a report, and when it has ended.
    [[nodiscard]] int socket() const { return socket_.get(); }
    // Takes what it has said; false when it is of no further use.
    bool take_reports(std::int64_t now_ns);
    // Orders a child into a box.
    runtime::error_code make_child(const box_context& context, const box_process& box, uid_t owner, box_group& group,
                                   std::int64_t now_ns);

    [[nodiscard]] bool ready() const { return ready_; }
    [[nodiscard]] bool spent() const { return children_ >= children_max; }
    // Since when it has owed an answer; INT64_MAX if it owes none.
    [[nodiscard]] std::int64_t owes_since_ns() const { return owed_ == 0 && ready_ ? INT64_MAX : owes_since_ns_; }
    [[nodiscard]] const std::string& problem() const { return problem_; }

  private:
    zygote() = default;
    descriptor socket_;
    descriptor handle_;
    bool ready_ = false;
    std::uint32_t children_ = 0;
    std::uint32_t owed_ = 0;
    std::int64_t owes_since_ns_ = 0;
    std::string problem_;
};

}  // namespace stages::worker::sandbox
