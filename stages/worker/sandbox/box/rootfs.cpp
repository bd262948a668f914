#include "stages/worker/sandbox/box/rootfs.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "stages/worker/sandbox/box/box.hpp"
#include "stages/worker/sandbox/channel/descriptor.hpp"
#include "stages/worker/sandbox/files/tree_copy.hpp"
#include "stages/worker/sandbox/inside/warm_library.hpp"

namespace stages::worker::sandbox {
namespace {

// Where the new root stands while it is built.
constexpr const char* building_site = "/tmp";

// What is copied of the machine's /etc, as far as everybody may read it: interpreters and their libraries look there.
constexpr std::array copied_from_etc{"alternatives",   "ssl",          "ca-certificates", "ld.so.cache",
                                     "ld.so.conf",     "ld.so.conf.d", "localtime",       "timezone",
                                     "mime.types",     "services",     "protocols",       "os-release",
                                     "debian_version", "locale.alias", "inputrc",         "magic"};

constexpr std::array devices{std::pair{"null", 3U}, std::pair{"zero", 5U}, std::pair{"full", 7U},
                             std::pair{"random", 8U}, std::pair{"urandom", 9U}};

constexpr std::array masked_in_proc{"kcore",   "keys",       "key-users", "kallsyms",  "timer_list",  "sysrq-trigger",
                                    "cmdline", "interrupts", "modules",   "config.gz", "sched_debug", "acpi",
                                    "bus",     "driver",     "fs",        "irq",       "scsi"};

// Collects the first thing that went wrong; what follows it is skipped.
class builder {
  public:
    explicit builder(const rootfs_plan& plan) : plan_(plan) {}
    rootfs build();

  private:
    bool good() const { return problem_.empty(); }
    void check(bool worked, const std::string& what) {
        if (!worked && good()) problem_ = what + ": " + std::strerror(errno);
    }
    void new_namespaces();
    void make_root();
    void link_or_bind(const char* name);
    void bind(const char* source, const std::string& target, std::uint64_t attributes, unsigned flags);
    void write_file(const std::string& path, const std::string& text);
    void fill_etc();
    void fill_dev();
    void fill_warm_files();
    void find_masks(rootfs& out);
    void move_in();

    const rootfs_plan& plan_;
    std::string problem_;
    descriptor root_;
};

void builder::new_namespaces() {
    // Every box gets a copy of the host name.
    const int flags = CLONE_NEWNS | CLONE_NEWUTS | (plan_.own_user_namespace ? CLONE_NEWUSER : 0);
    const uid_t outer_uid = geteuid();
    const gid_t outer_gid = getegid();
    check(unshare(flags) == 0, plan_.own_user_namespace ? "user namespaces are not allowed" : "mount namespace");
    if (!good()) return;
    if (plan_.own_user_namespace)
        if (const char* refused = map_ids(0, outer_uid, outer_gid)) check(false, refused);
    check(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private mounts");
    check(sethostname("box", 3) == 0, "host name");
}

void builder::make_root() {
    const descriptor context(fsopen("tmpfs", FSOPEN_CLOEXEC));
    check(static_cast<bool>(context), "tmpfs");
    if (!good()) return;
    fsconfig(context.get(), FSCONFIG_SET_STRING, "mode", "0755", 0);
    fsconfig(context.get(), FSCONFIG_SET_STRING, "size", "64m", 0);
    check(fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) == 0, "tmpfs");
    root_.reset(fsmount(context.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID));
    check(static_cast<bool>(root_), "tmpfs");
    for (const char* name :
         {"usr", "etc", "dev", "dev/shm", "dev/pts", "proc", "tmp", "box", "run", "var", "var/empty", "root"})
        if (good()) check(mkdirat(root_.get(), name, 0755) == 0, name);
    if (good()) check(symlinkat("../tmp", root_.get(), "var/tmp") == 0, "var/tmp");
}

// Debian's /bin, /lib and so on are links into /usr; elsewhere they are folders of their own.
void builder::link_or_bind(const char* name) {
    const std::string source = std::string("/") + name;
    char target[256];
    const ssize_t length = readlink(source.c_str(), target, sizeof target - 1);
    if (length > 0) {
        target[length] = '\0';
        return check(symlinkat(target, root_.get(), name) == 0, source);
    }
    struct stat about{};
    if (stat(source.c_str(), &about) != 0 || !S_ISDIR(about.st_mode)) return;
    check(mkdirat(root_.get(), name, 0755) == 0 || errno == EEXIST, source);
    bind(source.c_str(), name, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, AT_RECURSIVE);
}

void builder::bind(const char* source, const std::string& target, std::uint64_t attributes, unsigned flags) {
    if (!good()) return;
    const descriptor tree(open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags));
    check(static_cast<bool>(tree), std::string("bind ") + source);
    if (!good()) return;
    mount_attr attr{};
    attr.attr_set = attributes;
    if (attributes != 0)
        check(mount_setattr(tree.get(), "", AT_EMPTY_PATH | flags, &attr, sizeof attr) == 0,
              std::string("make read-only: ") + source);
    // The root is still detached, and older kernels attach nothing to such a tree; move_in() has put it somewhere.
    check(move_mount(tree.get(), "", root_.get(), target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) == 0, "mount on " + target);
}

void builder::write_file(const std::string& path, const std::string& text) {
    if (!good()) return;
    const descriptor file(openat(root_.get(), path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    check(file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()), path);
}

void builder::fill_etc() {
    if (!good()) return;
    const descriptor from(open("/etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const descriptor to(openat(root_.get(), "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    tree_copy copies(from.get(), to.get());
    for (const char* name : copied_from_etc) copies.copy(name);
    for (const auto& pattern : plan_.etc) copies.copy_matching(pattern.c_str());
    std::string users = "root:x:0:0:root:/root:/usr/sbin/nologin\n";
    std::string groups = "root:x:0:\n";
    const auto add = [&](std::uint32_t id) {
        const std::string number = std::to_string(id);
        users += user_name(id) + ":x:" + number + ":" + number + ":box:/box:/bin/bash\n";
        groups += user_name(id) + ":x:" + number + ":\n";
    };
    if (plan_.own_user_namespace) add(mapped_uid);
    for (std::uint32_t i = 0; i < plan_.uid_count && !plan_.own_user_namespace; ++i) add(plan_.first_uid + i);
    users += "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
    groups += "nogroup:x:65534:\n";
    write_file("etc/passwd", users);
    write_file("etc/group", groups);
    write_file("etc/hosts", "127.0.0.1 localhost box\n::1 localhost\n");
    write_file("etc/hostname", "box\n");
    write_file("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n");
    write_file("etc/resolv.conf", "");
}

void builder::fill_dev() {
    for (const auto& [name, minor] : devices) {
        const std::string path = std::string("dev/") + name;
        if (!plan_.own_user_namespace && mknodat(root_.get(), path.c_str(), S_IFCHR | 0666, makedev(1, minor)) == 0) {
            // The mode above is cut by the umask.
            check(fchmodat(root_.get(), path.c_str(), 0666, 0) == 0, path);
            continue;
        }
        write_file(path, "");
        bind(("/" + path).c_str(), path, 0, 0);
    }
    // A box's only terminal; where it has none, this leads nowhere.
    const std::array links{std::pair{"pts/0", "dev/tty"}, std::pair{"/proc/self/fd", "dev/fd"},
                           std::pair{"/proc/self/fd/0", "dev/stdin"}, std::pair{"/proc/self/fd/1", "dev/stdout"},
                           std::pair{"/proc/self/fd/2", "dev/stderr"}};
    for (const auto& [target, path] : links)
        if (good()) check(symlinkat(target, root_.get(), path) == 0, path);
}

void builder::fill_warm_files() {
    if (good()) check(mkdirat(root_.get(), ".weir", 0755) == 0, ".weir");
    write_file(warm_library_path + 1, std::string(warm_library()));
    for (const auto& file : plan_.warm_files) {
        if (good()) check(mkdirat(root_.get(), file.folder.c_str(), 0755) == 0 || errno == EEXIST, file.folder);
        write_file(file.folder + "/" + file.name, file.text);
    }
}

void builder::find_masks(rootfs& out) {
    for (const char* name : masked_in_proc) {
        struct stat about{};
        const std::string path = std::string("/proc/") + name;
        if (lstat(path.c_str(), &about) != 0) continue;
        // What only root may read or write, no program can.
        if (S_ISDIR(about.st_mode) || (about.st_mode & (S_IROTH | S_IWOTH)) != 0)
            out.masks.push_back({path, S_ISDIR(about.st_mode)});
    }
}

void builder::move_in() {
    mount_attr attr{};
    attr.attr_set = MOUNT_ATTR_RDONLY;
    if (good()) check(mount_setattr(root_.get(), "", AT_EMPTY_PATH, &attr, sizeof attr) == 0, "read-only root");
    if (good()) check(fchdir(root_.get()) == 0, "new root");
    if (good()) check(syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root");
    if (good()) check(umount2(".", MNT_DETACH) == 0, "detach the old root");
    if (good()) check(chdir("/") == 0, "new root");
}

rootfs builder::build() {
    rootfs out;
    umask(022);
    new_namespaces();
    if (good()) make_root();
    // Sources are opened before anything covers them: the new root stands on a folder that holds none of them.
    if (good()) check(move_mount(root_.get(), "", AT_FDCWD, building_site, MOVE_MOUNT_F_EMPTY_PATH) == 0, "new root");
    for (const char* name : {"usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"})
        if (good()) link_or_bind(name);
    fill_etc();
    fill_dev();
    fill_warm_files();
    if (good()) find_masks(out);
    // A user namespace may mount its own /proc only where it can see a whole one already.
    if (plan_.own_user_namespace) bind("/proc", "proc", 0, AT_RECURSIVE);
    move_in();
    out.problem = problem_;
    return out;
}

}  // namespace

std::string user_name(std::uint32_t uid) { return uid == mapped_uid ? "box" : "box" + std::to_string(uid); }

rootfs enter_rootfs(const rootfs_plan& plan) { return builder(plan).build(); }

}  // namespace stages::worker::sandbox
