#include "stages/worker/sandbox/channel/sealed_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/base/last_error.hpp"

namespace stages::worker::sandbox {

runtime::result<descriptor> make_sealed_file(const char* name, std::span<const std::string_view> texts,
                                             bool executable) {
    constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    constexpr unsigned may_be_executed = 0x10;  // MFD_EXEC, of Linux 6.3
    descriptor memory(memfd_create(name, executable ? flags | may_be_executed : flags));
    if (!memory && executable && errno == EINVAL) memory.reset(memfd_create(name, flags));
    if (!memory) return runtime::last_error();
    for (std::string_view rest : texts) {
        while (!rest.empty()) {
            const ssize_t n = ::write(memory.get(), rest.data(), rest.size());
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) return runtime::last_error();
            rest.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    if (lseek(memory.get(), 0, SEEK_SET) != 0 ||
        fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
        return runtime::last_error();
    return memory;
}

}  // namespace stages::worker::sandbox
