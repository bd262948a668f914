// Every file of an archive, damaged in every way, after a clean stop and after a kill: it is found and named, no read
// gives a wrong answer, and a repair saves what is whole.
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "storage/embedded/archive/archive_check.hpp"
#include "storage/embedded/archive/archive_store.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/two_shards.hpp"
#include "tests/unit/storage/numbered_documents.hpp"

namespace tests {
namespace {

namespace fs = std::filesystem;
using runtime::task;
using storage::archive;
using storage::archive_errc;
using storage::document;
using storage::embedded::archive_options;
using storage::embedded::archive_store;
using storage::embedded::repair_archive;
using storage::embedded::verify_archive;

constexpr std::uint64_t documents = 240;

document whole_document(std::uint64_t number) {
    document out = numbered_document(number);
    out.chunks.clear();
    // Small ones lie in tables, large ones in files of their own; none compresses to nothing.
    for (std::uint32_t i = 0; i < 3; ++i) {
        std::string bytes;
        std::uint64_t state = number * 31 + i;
        while (bytes.size() < (i == 2 ? 6000U : 300U)) {
            state = state * 6364136223846793005ULL + 1442695040888963407ULL;
            bytes.push_back(static_cast<char>(state >> 56));
        }
        out.chunks.push_back({1 + i * 10, bytes});
    }
    return out;
}

class life {
  public:
    explicit life(const std::string& directory) {
        archive_options options;
        options.directory = directory;
        options.flush_after = runtime::seconds(1000);
        auto opened = archive_store::open(options, diagnosis_);
        if (!opened) {
            why_ = opened.error();
            return;
        }
        store_ = std::move(*opened);
        front_ = store_->open_shard(shards_[0]);
    }
    ~life() {
        if (front_) run([this] { return end(front_); });
    }
    [[nodiscard]] bool opened() const { return store_ != nullptr; }
    [[nodiscard]] runtime::error_code why() const { return why_; }
    [[nodiscard]] const std::string& diagnosis() const { return diagnosis_; }
    archive& front() { return *front_; }
    void run(runtime::unique_function<task<void>()> make) { shards_.run(0, std::move(make)); }

  private:
    static task<void> end(std::unique_ptr<archive>& front) {
        co_await front->stop();
        front.reset();
    }
    std::string diagnosis_;
    runtime::error_code why_;
    std::unique_ptr<archive_store> store_;
    machine_shards shards_;
    std::unique_ptr<archive> front_;
};

// In three flushes, so that there are several tables and blob files.
task<void> fill(archive& a) {
    for (std::uint64_t first = 1; first <= documents; first += documents / 3) {
        std::vector<document> some;
        for (std::uint64_t i = first; i < first + documents / 3; ++i) some.push_back(whole_document(i));
        const auto taken = co_await a.put(std::move(some), {});
        EXPECT_TRUE(taken.has_value());
        const auto flushed = co_await a.flush();
        EXPECT_TRUE(flushed.has_value());
    }
}

struct seen {
    std::uint64_t right = 0;
    std::uint64_t damaged = 0;
    std::uint64_t missing = 0;
};

// Whatever is answered is right, or says that it is damaged.
task<void> read_all(archive& a, seen& out) {
    for (std::uint64_t i = 1; i <= documents; ++i) {
        const auto expected = whole_document(i);
        const auto found = co_await a.find(expected.id);
        const auto events = co_await a.events(expected.id, 1, 1 << 20);
        if (!found || !events) {
            EXPECT_EQ(found ? events.error() : found.error(), archive_errc::corrupt);
            ++out.damaged;
            continue;
        }
        if (!*found) {
            ++out.missing;
            continue;
        }
        ++out.right;
        EXPECT_EQ((*found)->summary, expected.summary);
        EXPECT_EQ(events->size(), expected.chunks.size());
        for (std::size_t c = 0; c < events->size(); ++c) EXPECT_EQ((*events)[c].bytes, expected.chunks[c].bytes);
    }
    const auto list = co_await a.list(tenant_id("acme"), runtime::uuid(), std::nullopt, 10 * documents);
    if (list.has_error()) {
        EXPECT_EQ(list.error(), archive_errc::corrupt);
    } else {
        EXPECT_EQ(list->size(), documents - out.missing);
    }
}

enum class harm { flip_first, flip_middle, flip_last, cut, remove };

std::string name_of(harm how) {
    constexpr std::array names{"first bit", "middle bit", "last bit", "cut", "removed"};
    return names[static_cast<std::size_t>(how)];
}

void do_harm(const fs::path& file, harm how) {
    if (how == harm::remove) {
        fs::remove(file);
        return;
    }
    const auto size = fs::file_size(file);
    if (how == harm::cut) {
        fs::resize_file(file, size / 2);
        return;
    }
    const auto at = how == harm::flip_first ? 0 : how == harm::flip_middle ? size / 2 : size - 1;
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekg(static_cast<std::streamoff>(at));
    char byte = 0;
    stream.get(byte);
    stream.seekp(static_cast<std::streamoff>(at));
    stream.put(static_cast<char>(byte ^ 1));
}

// The files that an archive cannot do without. RocksDB makes IDENTITY and OPTIONS anew; LOCK is empty; the copy of the
// manifest is only a copy; and a kill may leave files that nobody needs any more.
std::vector<std::string> files_of(const std::string& directory) {
    std::vector<std::string> needed;
    {
        rocksdb::DB* raw = nullptr;
        EXPECT_TRUE(rocksdb::DB::OpenForReadOnly(rocksdb::Options(), directory, &raw).ok());
        const std::unique_ptr<rocksdb::DB> db(raw);
        std::uint64_t manifest_bytes = 0;
        EXPECT_TRUE(db->GetLiveFiles(needed, &manifest_bytes, false).ok());
    }
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(directory)) {
        const auto name = entry.path().filename().string();
        const bool counts =
            name == "CURRENT" || name.starts_with("MANIFEST-") || name.ends_with(".sst") || name.ends_with(".blob");
        const bool is_needed = std::find(needed.begin(), needed.end(), "/" + name) != needed.end();
        if (counts && is_needed) out.push_back(name);
    }
    std::sort(out.begin(), out.end());
    return out;
}

bool names(const std::vector<std::string>& damage, const std::string& file) {
    return std::any_of(damage.begin(), damage.end(),
                       [&](const std::string& line) { return line.find(file) != std::string::npos; });
}

std::string joined(const std::vector<std::string>& lines) {
    std::string out;
    for (const auto& line : lines) out += line + "\n";
    return out;
}

void harm_and_repair(const std::string& original, const std::string& file, harm how) {
    SCOPED_TRACE(file + ", " + name_of(how));
    const temporary_directory place;
    const std::string copy = place.path() + "/archive";
    fs::copy(original, copy, fs::copy_options::recursive);
    do_harm(copy + "/" + file, how);

    const auto found = verify_archive(copy);
    EXPECT_FALSE(found.good);
    EXPECT_TRUE(names(found.damage, file)) << joined(found.damage);
    {
        // On a copy, since a start changes files.
        const std::string started = place.path() + "/started";
        fs::copy(copy, started, fs::copy_options::recursive);
        life one(started);
        if (one.opened()) {
            seen reads;
            one.run([&] { return read_all(one.front(), reads); });
            EXPECT_EQ(reads.missing, 0U) << "documents are denied";
        } else {
            EXPECT_EQ(one.why(), archive_errc::corrupt);
            EXPECT_NE(one.diagnosis().find(file), std::string::npos) << one.diagnosis();
            EXPECT_NE(one.diagnosis().find("weir archive repair"), std::string::npos) << one.diagnosis();
        }
    }
    const auto repaired = repair_archive(copy);
    ASSERT_TRUE(repaired.done) << repaired.diagnosis << joined(repaired.steps);
    if (repaired.counted)
        EXPECT_EQ(repaired.saved + repaired.lost + repaired.unknown, documents) << joined(repaired.steps);
    const bool is_metadata = file == "CURRENT" || file.starts_with("MANIFEST");
    if (is_metadata) EXPECT_EQ(repaired.saved, documents) << joined(repaired.steps);
    if (file.ends_with(".sst") && how >= harm::cut) EXPECT_LT(repaired.saved, documents);
    EXPECT_EQ(repaired.set_aside.empty(), is_metadata);
    if (!is_metadata) EXPECT_TRUE(fs::exists(repaired.set_aside));

    const auto after = verify_archive(copy);
    EXPECT_TRUE(after.good) << joined(after.damage);
    life two(copy);
    ASSERT_TRUE(two.opened()) << two.diagnosis();
    seen reads;
    two.run([&] { return read_all(two.front(), reads); });
    EXPECT_EQ(reads.right, repaired.saved);
    EXPECT_EQ(reads.damaged, 0U);
}

void harm_everything(const std::string& original) {
    ASSERT_TRUE(verify_archive(original).good) << joined(verify_archive(original).damage);
    EXPECT_EQ(verify_archive(original).documents, documents);
    const auto files = files_of(original);
    EXPECT_GE(files.size(), 5U);
    for (const auto& file : files)
        for (const auto how : {harm::flip_first, harm::flip_middle, harm::flip_last, harm::cut, harm::remove})
            harm_and_repair(original, file, how);
}

TEST(archive_damage, after_a_clean_stop_is_found_named_and_repaired) {
    const temporary_directory place;
    {
        life only(place.path());
        only.run([&] { return fill(only.front()); });
    }
    harm_everything(place.path());
}

TEST(archive_damage, after_a_kill_is_found_named_and_repaired) {
    const temporary_directory place;
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        ::execl("/proc/self/exe", "archive_damage_test", "--fill-and-die", place.path().c_str(), nullptr);
        ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    harm_everything(place.path());
}

TEST(archive_damage, a_whole_archive_needs_no_repair) {
    const temporary_directory place;
    {
        life only(place.path());
        only.run([&] { return fill(only.front()); });
    }
    const auto repaired = repair_archive(place.path());
    EXPECT_TRUE(repaired.done);
    EXPECT_EQ(repaired.saved, documents);
    EXPECT_TRUE(repaired.set_aside.empty() && repaired.steps.empty());
}

TEST(archive_damage, without_any_metadata_a_new_archive_takes_the_place) {
    const temporary_directory place;
    const std::string directory = place.path() + "/archive";
    {
        life only(directory);
        only.run([&] { return fill(only.front()); });
    }
    fs::remove(directory + "/CURRENT");
    fs::remove(directory + "/weir-manifest-copy");
    EXPECT_FALSE(life(directory).opened());
    const auto repaired = repair_archive(directory);
    EXPECT_TRUE(repaired.done);
    EXPECT_EQ(repaired.saved, 0U);
    EXPECT_TRUE(fs::exists(repaired.set_aside));
    EXPECT_TRUE(life(directory).opened());
}

void fill_and_die(const std::string& directory) {
    life only(directory);
    only.run([&] { return fill(only.front()); });
    ::kill(::getpid(), SIGKILL);
}

}  // namespace
}  // namespace tests

int main(int argc, char** argv) {
    if (argc == 3 && std::string(argv[1]) == "--fill-and-die") tests::fill_and_die(argv[2]);
    ::testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
