#include "storage/api/disk.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

namespace storage {

block_buffer::block_buffer(std::size_t bytes) : bytes_(round_up_to_block(bytes)) {
    auto* memory = static_cast<std::byte*>(std::aligned_alloc(disk_block_bytes, bytes_));
    if (memory == nullptr) throw std::bad_alloc();
    std::memset(memory, 0, bytes_);
    memory_.reset(memory);
}

void block_buffer::release::operator()(std::byte* memory) const noexcept { std::free(memory); }

void block_buffer::grow(std::size_t bytes, std::size_t used) {
    if (bytes <= bytes_) return;
    block_buffer larger(bytes);
    if (used > 0) std::memcpy(larger.data(), data(), used);
    *this = std::move(larger);
}

bool is_no_space(const runtime::error_code& code) {
    namespace errc = boost::system::errc;
    return code == errc::make_error_condition(errc::no_space_on_device) || code.value() == EDQUOT;
}

task<result<std::uint64_t>> disk::free_bytes(std::string) { co_return std::uint64_t{UINT64_MAX}; }

}  // namespace storage
