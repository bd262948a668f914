#include "storage/embedded/log/meta.hpp"

#include <cstdio>
#include <cstring>

#include "runtime/base/crc32c.hpp"
#include "storage/api/log.hpp"

namespace storage::embedded {
namespace {

bool is(const runtime::error_code& code, boost::system::errc::errc_t what) {
    return code == boost::system::errc::make_error_condition(what);
}

}  // namespace

std::string encode_meta(const meta& value) {
    char text[256];
    std::snprintf(text, sizeof text, "weir log\nformat 1\nepoch %llu\npartition_bits %u\nclean %d\nlogs %llu\n",
                  static_cast<unsigned long long>(value.epoch), value.partition_bits, value.clean ? 1 : 0,
                  static_cast<unsigned long long>(value.logs));
    char line[32];
    std::snprintf(line, sizeof line, "crc32c %08x\n", runtime::crc32c(text, std::strlen(text)));
    return std::string(text) + line;
}

result<meta> decode_meta(std::string_view text) {
    const auto crc_line = text.find("crc32c ");
    if (crc_line == std::string_view::npos) return log_errc::corrupt;
    const std::string head(text.substr(0, crc_line));
    unsigned crc = 0;
    if (std::sscanf(std::string(text.substr(crc_line, 32)).c_str(), "crc32c %8x", &crc) != 1) return log_errc::corrupt;
    if (crc != runtime::crc32c(head.data(), head.size())) return log_errc::corrupt;
    unsigned format = 0;
    if (std::sscanf(head.c_str(), "weir log\nformat %u\n", &format) != 1) return log_errc::corrupt;
    if (format != 1) return log_errc::newer_format;
    unsigned long long epoch = 0;
    unsigned long long logs = 0;
    int clean = 0;
    meta value;
    if (std::sscanf(head.c_str(), "weir log\nformat 1\nepoch %llu\npartition_bits %u\nclean %d\nlogs %llu\n", &epoch,
                    &value.partition_bits, &clean, &logs) != 4)
        return log_errc::corrupt;
    value.epoch = epoch;
    value.logs = logs;
    value.clean = clean != 0;
    return value;
}

task<result<std::optional<meta>>> read_meta(disk& on, std::string folder) {
    auto file = co_await on.open(folder + "/META", open_mode::existing);
    if (file.has_error() && is(file.error(), boost::system::errc::no_such_file_or_directory))
        co_return std::optional<meta>();
    if (file.has_error()) co_return file.error();
    block_buffer block(disk_block_bytes);
    const auto got = co_await (*file)->read(0, block.span());
    if (got.has_error()) co_return got.error();
    const auto value = decode_meta({reinterpret_cast<const char*>(block.data()), *got});
    if (value.has_error()) co_return value.error();
    co_return std::optional<meta>(*value);
}

task<result<void>> write_meta(disk& on, std::string folder, meta value) {
    // What a crash left of an earlier attempt.
    const auto removed = co_await on.remove(folder + "/META.tmp");
    if (removed.has_error() && !is(removed.error(), boost::system::errc::no_such_file_or_directory))
        co_return removed.error();
    auto file = co_await on.open(folder + "/META.tmp", open_mode::create_new);
    if (file.has_error()) co_return file.error();
    block_buffer block(disk_block_bytes);
    const std::string text = encode_meta(value);
    std::memset(block.data(), '\n', block.size());
    std::memcpy(block.data(), text.data(), text.size());
    const auto written = co_await (*file)->write_durable(0, block.span());
    if (written.has_error()) co_return written.error();
    file->reset();
    const auto renamed = co_await on.rename(folder + "/META.tmp", folder + "/META");
    if (renamed.has_error()) co_return renamed.error();
    co_return co_await on.sync_directory(folder);
}

}  // namespace storage::embedded
