// Files of backups: copied in order, checked, and on disk when it says so. Threads: where blocking is allowed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace app::backup {

// A file being written from its beginning; counts its CRC-32C. Every failure ends in diagnosis() and stays.
class file_writer {
  public:
    // Makes the folders above it. The file must not be there.
    explicit file_writer(std::string path);
    ~file_writer();
    file_writer(const file_writer&) = delete;
    file_writer& operator=(const file_writer&) = delete;

    bool write(std::string_view bytes);
    // On disk after this.
    bool finish();
    [[nodiscard]] bool no_space() const { return no_space_; }
    [[nodiscard]] const std::string& diagnosis() const { return diagnosis_; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    [[nodiscard]] std::uint32_t crc32c() const { return crc_; }

  private:
    bool fail(const std::string& doing);

    std::string path_;
    int file_ = -1;
    std::uint64_t bytes_ = 0;
    std::uint32_t crc_ = 0;
    bool no_space_ = false;
    std::string diagnosis_;
};

// At most `bytes_max` bytes from `offset` on, fewer only at the end; false with a diagnosis.
bool read_piece(const std::string& path, std::uint64_t offset, std::size_t bytes_max, std::string& out,
                std::string& diagnosis);

// The folder's entries are durable after this.
bool sync_folder(const std::string& path, std::string& diagnosis);
// Of every folder from `root` down.
bool sync_tree(const std::string& root, std::string& diagnosis);

// It does not exist, or is a folder with nothing in it.
bool is_empty_target(const std::string& path);

inline constexpr std::size_t piece_bytes = 4 << 20;

}  // namespace app::backup
