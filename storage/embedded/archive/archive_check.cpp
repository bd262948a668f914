#include "storage/embedded/archive/archive_check.hpp"

#include <rocksdb/db.h>

#include <algorithm>

#include "storage/embedded/archive/archive_blocks.hpp"
#include "storage/embedded/archive/archive_files.hpp"
#include "storage/embedded/archive/archive_keys.hpp"
#include "storage/embedded/archive/archive_state.hpp"
#include "storage/embedded/archive/manifest_copy.hpp"

namespace storage::embedded {
namespace {

// So many lines about single documents are enough to see what is wrong.
constexpr std::size_t lines_max = 100;

class document_check {
  public:
    document_check(rocksdb::DB& db, archive_check& report) : db_(db), report_(report) {}

    // Each document in the order of retention, and whether it is there with everything; then the counts.
    void run() {
        retention_order order(db_, std::string(archive_keys::retention_prefix));
        auto ended = order.next();
        for (; ended && !ended->empty(); ended = order.next())
            for (const auto& each : *ended) check(each);
        if (!ended) say("the order of retention cannot be read: " + ended.error().message());
        if (order.damaged_blocks() > 0)
            say(std::to_string(order.damaged_blocks()) + " blocks of the order of retention cannot be decoded");
        check_totals();
    }

  private:
    struct block {
        std::string key;
        std::vector<runtime::execution_id> ids;
    };

    void say(std::string line) {
        if (report_.damage.size() < lines_max) report_.damage.push_back(std::move(line));
    }

    bool is_there(const std::string& key, const std::string& what, runtime::execution_id id) {
        rocksdb::PinnableSlice value;
        const auto status = db_.Get(rocksdb::ReadOptions(), db_.DefaultColumnFamily(), key, &value);
        if (status.ok()) return true;
        say(what + " of " + id.to_string() + (status.IsNotFound() ? " is missing" : ": " + status.ToString()));
        return false;
    }

    // Documents of a batch come one after the other, mostly.
    bool is_named(block& last, const std::string& prefix, const placed_document& what) {
        const auto& id = what.entry.id;
        const auto key = archive_keys::block_key(prefix, archive_keys::begin_period(id), what.batch);
        if (key != last.key) {
            last.key = key;
            std::string value;
            const auto status = db_.Get(rocksdb::ReadOptions(), key, &value);
            const auto ids = archive_keys::decode_ids(value);
            last.ids = ids.value_or(std::vector<runtime::execution_id>());
            if (!status.ok() && !status.IsNotFound()) say("a block of a list: " + status.ToString());
            if (!ids) say("a block of a list cannot be decoded");
        }
        if (std::ranges::find(last.ids, id) != last.ids.end()) return true;
        say("a list's entry of " + id.to_string() + " is missing");
        return false;
    }

    void check(const placed_document& what) {
        const auto& id = what.entry.id;
        ++report_.documents;
        bytes_ += what.entry.bytes;
        bool whole = is_there(archive_keys::document_key(id), "the document", id);
        whole = whole && is_named(of_tenant_, archive_keys::tenant_prefix(what.tenant), what);
        whole = whole && is_named(of_user_, archive_keys::user_prefix(what.tenant, what.user), what);
        for (const auto first : what.entry.chunks)
            whole = whole && is_there(archive_keys::chunk_key(id, first), "a chunk", id);
    }

    void check_totals() {
        std::string value;
        const auto status = db_.Get(rocksdb::ReadOptions(), slice(archive_keys::totals_key), &value);
        const auto totals = archive_keys::decode_totals(value);
        if (!status.ok() || !totals) return say("the totals cannot be read");
        if (totals->documents == report_.documents && totals->bytes == bytes_) return;
        say("the totals say " + std::to_string(totals->documents) + " documents of " + std::to_string(totals->bytes) +
            " bytes; there are " + std::to_string(report_.documents) + " of " + std::to_string(bytes_));
    }

    rocksdb::DB& db_;
    archive_check& report_;
    block of_tenant_;  // looked at last
    block of_user_;
    std::uint64_t bytes_ = 0;
};

struct silent_observer final : archive_observer {
    void flushed(archive_sequence) override {}
    void failed(runtime::error_code, const std::string&) override {}
    void recovered() override {}
    void damaged(const std::string&) override {}
};

}  // namespace

rocksdb::Status open_to_read(const std::string& directory, std::unique_ptr<rocksdb::DB>& out) {
    static silent_observer nobody;
    archive_options from;
    from.directory = directory;
    auto options = make_options(from, std::make_shared<flush_listener>(nobody, directory));
    options.create_if_missing = false;
    options.paranoid_checks = false;  // a file that is missing is met when it is read
    options.info_log_level = rocksdb::InfoLogLevel::FATAL_LEVEL;
    options.info_log->SetInfoLogLevel(rocksdb::InfoLogLevel::FATAL_LEVEL);
    rocksdb::DB* raw = nullptr;
    auto status = rocksdb::DB::OpenForReadOnly(options, directory, &raw);
    out.reset(raw);
    return status;
}

std::vector<std::string> find_missing_files(const std::string& directory) {
    std::unique_ptr<rocksdb::DB> db;
    if (!open_to_read(directory, db).ok()) return {};
    return find_missing_files(*db, directory);
}

archive_check verify_archive(const std::string& directory) {
    archive_check out;
    const auto metadata = find_metadata_damage(directory);
    if (!metadata.empty()) {
        out.damage.push_back(metadata);
        return out;
    }
    std::unique_ptr<rocksdb::DB> db;
    const auto status = open_to_read(directory, db);
    if (!status.ok()) {
        out.damage.push_back(status.ToString());
        return out;
    }
    out.damage = find_damaged_files(*db, directory, out.files);
    std::string version;
    std::string left;
    const bool is_old = db->Get(rocksdb::ReadOptions(), slice(archive_keys::format_key), &version).ok() &&
                        version != std::to_string(archive_keys::format_version);
    const bool is_half_old = !db->Get(rocksdb::ReadOptions(), slice(archive_keys::conversion_key), &left).IsNotFound();
    if (is_half_old) version = "both " + version + " and an earlier one";
    if (is_old || is_half_old) {
        out.damage.push_back("it has format " + version + "; a start of the server brings an older one up to date");
        return out;
    }
    document_check(*db, out).run();
    out.good = out.damage.empty();
    return out;
}

}  // namespace storage::embedded
