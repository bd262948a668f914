#include "storage/embedded/archive/archive_files.hpp"

#include <fcntl.h>
#include <rocksdb/metadata.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_reader.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "runtime/base/crc32c.hpp"

namespace storage::embedded {
namespace {

struct live_file {
    std::string name;  // without the directory
    std::uint64_t bytes = 0;
    std::string checksum;  // CRC-32C, four bytes, the highest first; empty if none was kept
    bool is_table = false;
};

std::vector<live_file> live_files(rocksdb::DB& db) {
    rocksdb::ColumnFamilyMetaData all;
    db.GetColumnFamilyMetaData(&all);
    const auto bare = [](const std::string& name) { return std::filesystem::path(name).filename().string(); };
    std::vector<live_file> out;
    for (const auto& level : all.levels)
        for (const auto& file : level.files) {
            const bool kept = file.file_checksum_func_name == "FileChecksumCrc32c";
            out.push_back({bare(file.name), file.size, kept ? file.file_checksum : std::string(), true});
        }
    for (const auto& file : all.blob_files) {
        const bool kept = file.checksum_method == "FileChecksumCrc32c";
        out.push_back({bare(file.blob_file_name), file.blob_file_size, kept ? file.checksum_value : std::string()});
    }
    return out;
}

std::optional<std::uint32_t> crc_of(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return std::nullopt;
    std::string piece(1 << 20, '\0');
    std::uint32_t crc = 0;
    ssize_t got = 0;
    while ((got = ::read(file, piece.data(), piece.size())) > 0)
        crc = runtime::crc32c(piece.data(), static_cast<std::size_t>(got), crc);
    ::close(file);
    if (got < 0) return std::nullopt;
    return crc;
}

std::string wrong_at_first_sight(const live_file& file, const std::string& directory) {
    std::error_code failed;
    const auto bytes = std::filesystem::file_size(directory + "/" + file.name, failed);
    if (failed) return file.name + " is missing: " + failed.message();
    if (bytes >= file.bytes) return {};
    return file.name + " has " + std::to_string(bytes) + " bytes instead of " + std::to_string(file.bytes);
}

std::string wrong_inside(const live_file& file, const std::string& directory) {
    const std::string path = directory + "/" + file.name;
    if (file.checksum.size() == 4) {
        const auto crc = crc_of(path);
        if (!crc) return file.name + " cannot be read";
        std::uint32_t kept = 0;
        for (const char byte : file.checksum) kept = kept << 8 | static_cast<std::uint8_t>(byte);
        return *crc == kept ? std::string()
                            : file.name + " is damaged: its checksum is not the one it was written with";
    }
    if (!file.is_table) return {};
    rocksdb::SstFileReader reader{rocksdb::Options()};
    auto status = reader.Open(path);
    if (status.ok()) status = reader.VerifyChecksum();
    return status.ok() ? std::string() : file.name + " is damaged: " + status.ToString();
}

}  // namespace

std::vector<std::string> find_missing_files(rocksdb::DB& db, const std::string& directory) {
    std::vector<std::string> out;
    for (const auto& file : live_files(db)) {
        auto wrong = wrong_at_first_sight(file, directory);
        if (!wrong.empty()) out.push_back(std::move(wrong));
    }
    return out;
}

std::vector<std::string> find_damaged_files(rocksdb::DB& db, const std::string& directory, std::uint64_t& files) {
    std::vector<std::string> out;
    for (const auto& file : live_files(db)) {
        ++files;
        auto wrong = wrong_at_first_sight(file, directory);
        if (wrong.empty()) wrong = wrong_inside(file, directory);
        if (!wrong.empty()) out.push_back(std::move(wrong));
    }
    return out;
}

}  // namespace storage::embedded
