#include "stages/worker/sandbox/devices/terminal.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "runtime/base/last_error.hpp"

namespace stages::worker::sandbox {
runtime::result<box_terminal> make_terminal(const terminal_dimensions& size, uid_t owner) {
    box_terminal made;
    const descriptor context(fsopen("devpts", FSOPEN_CLOEXEC));
    if (!context) return runtime::last_error();
    const auto set = [&context](const char* name, const std::string& value) {
        return fsconfig(context.get(), FSCONFIG_SET_STRING, name, value.c_str(), 0) == 0;
    };
    const std::string id = std::to_string(owner);
    // Every mount of it is an instance of its own; in this one there is no way to make another terminal.
    if (!set("mode", "0600") || !set("ptmxmode", "0000") || !set("max", "1") || !set("uid", id) || !set("gid", id) ||
        fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return runtime::last_error();
    made.mount.reset(fsmount(context.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC));
    if (!made.mount) return runtime::last_error();
    made.master.reset(openat(made.mount.get(), "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
    if (!made.master) return runtime::last_error();
    const int unlocked = 0;
    winsize window{};
    window.ws_row = size.rows;
    window.ws_col = size.columns;
    if (ioctl(made.master.get(), TIOCSPTLCK, &unlocked) != 0 || ioctl(made.master.get(), TIOCSWINSZ, &window) != 0)
        return runtime::last_error();
    made.program.reset(ioctl(made.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!made.program) return runtime::last_error();
    return made;
}

}  // namespace stages::worker::sandbox
