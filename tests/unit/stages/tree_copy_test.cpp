#include "stages/worker/sandbox/files/tree_copy.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "stages/worker/sandbox/channel/descriptor.hpp"

namespace stages::worker::sandbox {
namespace {

namespace fs = std::filesystem;

struct folders {
    folders() {
        std::string name = fs::temp_directory_path() / "weir-tree-copy-XXXXXX";
        above = ::mkdtemp(name.data());
        umask(022);
        fs::create_directories(above / "from");
        fs::create_directories(above / "to");
        from.reset(open((above / "from").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        to.reset(open((above / "to").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
    ~folders() { fs::remove_all(above); }
    void write(const std::string& name, const std::string& text, mode_t mode = 0644) const {
        fs::create_directories((above / "from" / name).parent_path());
        std::ofstream(above / "from" / name) << text;
        chmod((above / "from" / name).c_str(), mode);
    }
    [[nodiscard]] bool has(const std::string& name) const {
        return fs::exists(fs::symlink_status(above / "to" / name));
    }
    [[nodiscard]] std::string read(const std::string& name) const {
        std::ifstream in(above / "to" / name);
        return {std::istreambuf_iterator<char>(in), {}};
    }

    fs::path above;
    descriptor from;
    descriptor to;
};

TEST(tree_copy, takes_what_everybody_may_read) {
    const folders all;
    all.write("ssl/certs/a.pem", "certificate");
    all.write("ssl/private/key", "secret", 0600);
    all.write("tool", "program", 04755);
    fs::create_symlink("../elsewhere", all.above / "from" / "ssl" / "link");
    ASSERT_EQ(mkfifo((all.above / "from" / "ssl" / "pipe").c_str(), 0644), 0);
    chmod((all.above / "from" / "ssl" / "private").c_str(), 0700);
    tree_copy copies(all.from.get(), all.to.get());
    for (const char* name : {"ssl", "tool", "missing"}) copies.copy(name);
    EXPECT_EQ(all.read("ssl/certs/a.pem"), "certificate");
    EXPECT_EQ(all.read("tool"), "program");
    EXPECT_EQ(fs::status(all.above / "to" / "tool").permissions(), fs::perms(0644));
    EXPECT_EQ(fs::read_symlink(all.above / "to" / "ssl" / "link"), "../elsewhere");
    EXPECT_FALSE(all.has("ssl/private"));
    EXPECT_FALSE(all.has("ssl/pipe"));
}

TEST(tree_copy, a_file_that_does_not_fit_is_left_out_alone) {
    const folders all;
    all.write("large", "");
    fs::resize_file(all.above / "from" / "large", tree_copy::bytes_max + 1);
    all.write("half", "");
    fs::resize_file(all.above / "from" / "half", tree_copy::bytes_max / 2 + 1);
    all.write("small", "here");
    tree_copy copies(all.from.get(), all.to.get());
    copies.copy("large");
    copies.copy("half");
    copies.copy("small");
    EXPECT_FALSE(all.has("large"));
    EXPECT_EQ(fs::file_size(all.above / "to" / "half"), tree_copy::bytes_max / 2 + 1);
    EXPECT_EQ(all.read("small"), "here");
    all.write("half2", "");
    fs::resize_file(all.above / "from" / "half2", tree_copy::bytes_max / 2 + 1);
    copies.copy("half2");
    EXPECT_FALSE(all.has("half2"));
}

TEST(tree_copy, its_entries_and_its_depth_are_bounded) {
    const folders all;
    std::string deep = "deep";
    for (int i = 0; i < tree_copy::depth_max + 2; ++i) deep += "/d";
    all.write(deep + "/file", "text");
    for (std::size_t i = 0; i < tree_copy::entries_max + 10; ++i)
        fs::create_symlink("x", all.above / "from" / ("link" + std::to_string(i)));
    tree_copy copies(all.from.get(), all.to.get());
    copies.copy("deep");
    EXPECT_FALSE(all.has(deep));
    EXPECT_TRUE(all.has("deep/d/d/d"));
    copies.copy_matching("link*");
    const auto count = std::distance(fs::recursive_directory_iterator(all.above / "to"), {});
    EXPECT_EQ(static_cast<std::size_t>(count), tree_copy::entries_max);
}

TEST(tree_copy, patterns_are_those_of_a_shell) {
    const folders all;
    for (const char* name : {"java-17", "java", ".java-hidden", "perl"}) all.write(name, name);
    tree_copy(all.from.get(), all.to.get()).copy_matching("java-*");
    tree_copy(all.from.get(), all.to.get()).copy_matching("*hidden");
    EXPECT_TRUE(all.has("java-17"));
    for (const char* name : {"java", ".java-hidden", "perl"}) EXPECT_FALSE(all.has(name)) << name;
}

}  // namespace
}  // namespace stages::worker::sandbox
