#include "stages/worker/sandbox/channel/channel.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <boost/system/errc.hpp>
#include <cerrno>
#include <cstring>

#include "runtime/base/last_error.hpp"
#include "stages/worker/sandbox/channel/sealed_file.hpp"

namespace stages::worker::sandbox {
namespace {

namespace errc = boost::system::errc;
using runtime::error_code;

// Stands for a packet that lies in the first descriptor.
constexpr std::string_view elsewhere = "WB@memfd";

std::optional<std::string> take_from_memory(int memory) {
    struct stat about{};
    // Sealed, so that what is read cannot change, nor the read be cut short, while it goes on.
    const int seals = fcntl(memory, F_GET_SEALS);
    if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_WRITE)) != (F_SEAL_SHRINK | F_SEAL_WRITE)) return std::nullopt;
    if (fstat(memory, &about) != 0 || about.st_size < 0) return std::nullopt;
    if (static_cast<std::size_t>(about.st_size) > packet_bytes_max) return std::nullopt;
    std::string bytes(static_cast<std::size_t>(about.st_size), '\0');
    std::size_t have = 0;
    while (have < bytes.size()) {
        const ssize_t n = ::pread(memory, bytes.data() + have, bytes.size() - have, static_cast<off_t>(have));
        if (n <= 0) return std::nullopt;
        have += static_cast<std::size_t>(n);
    }
    return bytes;
}

void collect_descriptors(msghdr& message, std::vector<descriptor>& into) {
    for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr; head = CMSG_NXTHDR(&message, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof fd);
            into.emplace_back(fd);
        }
    }
}

}  // namespace

runtime::result<std::array<descriptor, 2>> make_channel() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return runtime::last_error();
    return std::array{descriptor(ends[0]), descriptor(ends[1])};
}

error_code send_bytes(int socket, std::string_view bytes, std::span<const int> descriptors) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * descriptors_max)> control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!descriptors.empty()) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
        cmsghdr* head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
        std::memcpy(CMSG_DATA(head), descriptors.data(), sizeof(int) * descriptors.size());
    }
    ssize_t sent = 0;
    do {
        sent = ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? runtime::last_error() : error_code();
}

error_code send_packet(int socket, const packet& what, std::span<const int> descriptors) {
    const std::string bytes = encode(what);
    if (descriptors.size() + 1 > descriptors_max) return make_error_code(errc::argument_list_too_long);
    if (bytes.size() <= datagram_bytes_max) return send_bytes(socket, bytes, descriptors);
    const std::string_view whole = bytes;
    const auto memory = make_sealed_file("packet", std::span(&whole, 1));
    if (!memory) return memory.error();
    std::vector<int> all{memory->get()};
    all.insert(all.end(), descriptors.begin(), descriptors.end());
    return send_bytes(socket, elsewhere, all);
}

error_code send_packet(int socket, const packet& what, const std::vector<descriptor>& descriptors) {
    std::vector<int> numbers;
    for (const auto& one : descriptors) numbers.push_back(one.get());
    return send_packet(socket, what, numbers);
}

namespace {

runtime::result<std::size_t> receive(int socket, void* into, std::size_t bytes_max, std::vector<descriptor>& beside,
                                     int& flags) {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * descriptors_max)> control{};
    iovec part{into, bytes_max};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    ssize_t n = 0;
    do {
        n = ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return runtime::last_error();
    if (n == 0) return make_error_code(errc::connection_reset);
    collect_descriptors(message, beside);
    flags = message.msg_flags;
    return static_cast<std::size_t>(n);
}

}  // namespace

error_code receive_bytes(int socket, void* into, std::size_t bytes, std::vector<descriptor>& beside) {
    int flags = 0;
    const auto got = receive(socket, into, bytes, beside, flags);
    if (!got) return got.error();
    return *got == bytes && (flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 ? error_code()
                                                                    : make_error_code(errc::protocol_error);
}

runtime::result<received> receive_packet(int socket) {
    static thread_local std::array<char, datagram_bytes_max + 1> buffer;
    std::vector<descriptor> descriptors;
    int flags = 0;
    const auto got = receive(socket, buffer.data(), buffer.size(), descriptors, flags);
    if (!got) return got.error();
    const std::string_view bytes(buffer.data(), *got);
    std::optional<packet> what;
    if ((flags & (MSG_TRUNC | MSG_CTRUNC)) == 0) {
        if (bytes == elsewhere && !descriptors.empty()) {
            const auto whole = take_from_memory(descriptors.front().get());
            descriptors.erase(descriptors.begin());
            if (whole) what = decode(*whole);
        } else {
            what = decode(bytes);
        }
    }
    if (!what) return make_error_code(errc::protocol_error);
    return received{std::move(*what), std::move(descriptors)};
}

runtime::result<received> wait_for_packet(int socket, int timeout_ms) {
    pollfd entry{socket, POLLIN, 0};
    int ready = 0;
    do {
        ready = ::poll(&entry, 1, timeout_ms);
    } while (ready < 0 && errno == EINTR);
    if (ready < 0) return runtime::last_error();
    if (ready == 0) return make_error_code(errc::timed_out);
    return receive_packet(socket);
}

}  // namespace stages::worker::sandbox
