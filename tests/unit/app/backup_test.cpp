// The list of a backup and the files of it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "app/backup/files.hpp"
#include "app/backup/manifest.hpp"
#include "runtime/base/crc32c.hpp"
#include "tests/support/temporary_directory.hpp"

namespace app::backup {
namespace {

manifest two_files() {
    manifest out;
    out.created_at = "2026-11-21T03:04:05.000006Z";
    out.files.push_back({"log/META", 4096, 0x01020304});
    out.files.push_back({"archive/a file with spaces.sst", 0, 0});
    return out;
}

TEST(backup_manifest, comes_back_as_it_was) {
    manifest back;
    std::string diagnosis;
    ASSERT_TRUE(decode(encode(two_files()), back, diagnosis)) << diagnosis;
    EXPECT_EQ(back.created_at, "2026-11-21T03:04:05.000006Z");
    ASSERT_EQ(back.files.size(), 2U);
    EXPECT_EQ(back.files[0].path, "archive/a file with spaces.sst");
    EXPECT_EQ(back.files[1].path, "log/META");
    EXPECT_EQ(back.files[1].bytes, 4096U);
    EXPECT_EQ(back.files[1].crc32c, 0x01020304U);
}

TEST(backup_manifest, every_flipped_bit_and_every_cut_is_found) {
    const auto whole = encode(two_files());
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (int bit = 0; bit < 8; ++bit) {
            auto broken = whole;
            broken[at] = static_cast<char>(broken[at] ^ (1 << bit));
            manifest back;
            std::string diagnosis;
            EXPECT_FALSE(decode(broken, back, diagnosis)) << at << "/" << bit;
            EXPECT_FALSE(diagnosis.empty());
        }
        manifest back;
        std::string diagnosis;
        EXPECT_FALSE(decode(whole.substr(0, at), back, diagnosis)) << at;
    }
}

TEST(backup_manifest, a_later_format_and_paths_that_lead_out_are_refused) {
    const auto with_end = [](std::string body) {
        char crc[32];
        std::snprintf(crc, sizeof crc, "crc32c %08x\n", runtime::crc32c(body.data(), body.size()));
        return body + crc;
    };
    manifest back;
    std::string diagnosis;
    EXPECT_FALSE(decode(with_end("weir backup\nformat 2\ncreated x\n"), back, diagnosis));
    EXPECT_NE(diagnosis.find("format 2"), std::string::npos) << diagnosis;
    EXPECT_TRUE(decode(with_end("weir backup\nformat 1\ncreated x\nfile 1 0 a/b\n"), back, diagnosis)) << diagnosis;
    for (const auto* path : {"/etc/passwd", "../x", "a/../../x", "a//b", "", ".", "a/."}) {
        EXPECT_FALSE(is_safe_path(path)) << path;
        EXPECT_FALSE(
            decode(with_end("weir backup\nformat 1\ncreated x\nfile 1 0 " + std::string(path) + "\n"), back, diagnosis))
            << path;
    }
    EXPECT_TRUE(is_safe_path("archive/000012.sst"));
}

TEST(backup_files, are_written_once_and_counted) {
    const tests::temporary_directory folder;
    const auto path = folder.path() + "/a/b/c";
    file_writer writer(path);
    EXPECT_TRUE(writer.write("hello, "));
    EXPECT_TRUE(writer.write("world"));
    EXPECT_TRUE(writer.finish());
    EXPECT_EQ(writer.bytes(), 12U);
    EXPECT_EQ(writer.crc32c(), runtime::crc32c("hello, world", 12));
    file_writer again(path);
    EXPECT_FALSE(again.write("x"));
    EXPECT_NE(again.diagnosis().find(path), std::string::npos);

    std::string bytes;
    std::string diagnosis;
    EXPECT_TRUE(read_piece(path, 7, 100, bytes, diagnosis));
    EXPECT_EQ(bytes, "world");
    EXPECT_TRUE(read_piece(path, 2, 3, bytes, diagnosis));
    EXPECT_EQ(bytes, "llo");
    EXPECT_FALSE(read_piece(path + "x", 0, 1, bytes, diagnosis));
    EXPECT_TRUE(sync_tree(folder.path(), diagnosis)) << diagnosis;
}

TEST(backup_files, only_an_empty_place_is_a_target) {
    const tests::temporary_directory folder;
    EXPECT_TRUE(is_empty_target(folder.path() + "/new"));
    EXPECT_TRUE(is_empty_target(folder.path()));
    std::ofstream(folder.path() + "/x") << "x";
    EXPECT_FALSE(is_empty_target(folder.path()));
    EXPECT_FALSE(is_empty_target(folder.path() + "/x"));
}

}  // namespace
}  // namespace app::backup
