// The one tmpfs that is a box's whole disk.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "runtime/base/last_error.hpp"
#include "stages/worker/sandbox/box/box.hpp"

namespace stages::worker::sandbox {
namespace {

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t inodes_min = 1024;
constexpr std::uint64_t inodes_max = 65536;

bool set_size(const descriptor& context, const disk_size& size) {
    const auto set = [&context](const char* name, std::uint64_t value) {
        return fsconfig(context.get(), FSCONFIG_SET_STRING, name, std::to_string(value).c_str(), 0) == 0;
    };
    return set("size", size.bytes) && set("nr_inodes", size.inodes);
}

}  // namespace

runtime::result<descriptor> make_disk(uid_t owner, const disk_size& size) {
    const descriptor context(fsopen("tmpfs", FSOPEN_CLOEXEC));
    if (!context || fsconfig(context.get(), FSCONFIG_SET_STRING, "mode", "0755", 0) != 0 || !set_size(context, size) ||
        fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return runtime::last_error();
    descriptor disk(fsmount(context.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV));
    if (!disk) return runtime::last_error();
    const bool may_chown = geteuid() == 0 && owner != mapped_uid;
    if (mkdirat(disk.get(), "box", 0755) != 0 ||
        (may_chown && fchownat(disk.get(), "box", owner, owner, AT_SYMLINK_NOFOLLOW) != 0) ||
        mkdirat(disk.get(), "tmp", 01777) != 0 || mkdirat(disk.get(), "shm", 01777) != 0)
        return runtime::last_error();
    return disk;
}

disk_size disk_size_for(const launch_packet& what) {
    std::uint64_t file_pages = what.file_bytes.size() / page + 1;
    for (const auto& file : what.files) file_pages += file.bytes / page + 1;
    const std::uint64_t bytes = what.limits.disk_bytes + file_pages * page;
    return {bytes, std::clamp(bytes / page, inodes_min, inodes_max) + what.files.size() * box_file_depth_max};
}

runtime::error_code resize_disk(int disk, const disk_size& size) {
    const descriptor context(fspick(disk, "", FSPICK_EMPTY_PATH | FSPICK_CLOEXEC));
    if (!context || !set_size(context, size) ||
        fsconfig(context.get(), FSCONFIG_CMD_RECONFIGURE, nullptr, nullptr, 0) != 0)
        return runtime::last_error();
    return {};
}

}  // namespace stages::worker::sandbox
