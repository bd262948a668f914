// Saves what is whole of a damaged archive into a new one.
#include <rocksdb/db.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "storage/embedded/archive/archive_check.hpp"
#include "storage/embedded/archive/archive_keys.hpp"
#include "storage/embedded/archive/archive_state.hpp"
#include "storage/embedded/archive/manifest_copy.hpp"

namespace storage::embedded {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t batch_bytes_max = 4U << 20;

struct silent_observer final : archive_observer {
    void flushed(archive_sequence) override {}
    void failed(runtime::error_code, const std::string&) override {}
    void recovered() override {}
    void damaged(const std::string&) override {}
};

// A database that may be damaged anywhere, for reading.
class damaged_archive {
  public:
    bool open(const std::string& directory, std::string& diagnosis) {
        const auto status = open_to_read(directory, db_);
        if (!status.ok()) diagnosis = status.ToString();
        if (db_) note_borders();
        if (db_) note_format();
        return status.ok();
    }

    [[nodiscard]] bool get(const std::string& key, std::string& value) const {
        return db_->Get(rocksdb::ReadOptions(), key, &value).ok();
    }

    // The first events of a document's chunks; nothing if they cannot all be seen.
    [[nodiscard]] std::optional<std::vector<std::uint32_t>> chunks_of(runtime::execution_id id) const {
        const std::string lower = archive_keys::chunk_prefix(id);
        const std::string upper = archive_keys::behind(lower);
        const rocksdb::Slice upper_bound(upper);
        rocksdb::ReadOptions options;
        options.iterate_upper_bound = &upper_bound;
        const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(options));
        std::vector<std::uint32_t> out;
        for (at->Seek(lower); at->Valid(); at->Next()) {
            const auto first = archive_keys::first_event_at_end(at->key().ToStringView());
            if (!first) return std::nullopt;
            out.push_back(*first);
        }
        if (!at->status().ok()) return std::nullopt;
        return out;
    }

    // What the keys of one kind name. Where they cannot be read, it goes on at the next border of a file: other kinds
    // of key name the same documents.
    void collect_ids(std::string_view kind, std::set<runtime::execution_id>& ids) const {
        std::string from(kind);
        const std::string upper = archive_keys::behind(from);
        while (from < upper) {
            const auto status = read(from, upper, [&](std::string_view key, std::string_view value) {
                for (const auto& id : archive_keys::ids_named_by(key, value)) ids.insert(id);
            });
            if (status.ok()) return;
            const auto next = std::upper_bound(borders_.begin(), borders_.end(), from);
            if (next == borders_.end()) return;
            from = *next;
        }
    }

    // Nothing if no entry of it can be read.
    [[nodiscard]] std::optional<archive_keys::retention_entry> entry_of(runtime::execution_id id,
                                                                        runtime::utc_time ended_at) {
        std::string from =
            archive_keys::with_period(archive_keys::retention_prefix, archive_keys::end_period(ended_at));
        if (from != read_period_) {
            read_period_ = from;
            read_entries_.clear();
            const auto note = [&](std::string_view, std::string_view value) {
                if (auto block = archive_keys::decode_retention_block(value))
                    for (auto& entry : block->entries) read_entries_[entry.id] = std::move(entry);
            };
            read(from, archive_keys::behind(from), note).PermitUncheckedError();
        }
        const auto found = read_entries_.find(id);
        if (found == read_entries_.end()) return std::nullopt;
        return found->second;
    }

    [[nodiscard]] std::optional<archive_keys::stored_document> decode(runtime::execution_id id,
                                                                      std::string_view value) const {
        const bool is_first = from_first_format_ && archive_keys::document_key(id) > converted_;
        return is_first ? archive_keys::decode_document_1(id, value) : archive_keys::decode_document(id, value);
    }

  private:
    // Until what cannot be read, or the end; `from` is the key it came to.
    rocksdb::Status read(std::string& from, const std::string& upper, const auto& visit) const {
        const rocksdb::Slice upper_bound(upper);
        rocksdb::ReadOptions options;
        options.iterate_upper_bound = &upper_bound;
        options.fill_cache = false;
        const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(options));
        for (at->Seek(from); at->Valid(); at->Next()) {
            from = at->key().ToString();
            visit(from, at->value().ToStringView());
        }
        return at->status();
    }

    // Just behind the largest key of each file, and the smallest: where another file may go on.
    void note_borders() {
        std::vector<rocksdb::LiveFileMetaData> files;
        db_->GetLiveFilesMetaData(&files);
        for (const auto& file : files) {
            borders_.push_back(file.smallestkey);
            borders_.push_back(file.largestkey + '\0');
        }
        std::sort(borders_.begin(), borders_.end());
    }

    // Of format 1, or on its way from it: up to which document?
    void note_format() {
        std::string format;
        std::string conversion;
        const bool is_first = get(std::string(archive_keys::format_key), format) && format == "1";
        const bool was_first =
            get(std::string(archive_keys::conversion_key), conversion) && conversion.starts_with('\1');
        from_first_format_ = is_first || was_first;
        if (was_first) converted_ = conversion.substr(1);
    }

    std::unique_ptr<rocksdb::DB> db_;
    std::vector<std::string> borders_;
    bool from_first_format_ = false;
    std::string converted_;  // the last document's key
    // The period of the order of retention that was looked at last: ids that follow one another mostly ended together.
    std::string read_period_;
    std::map<runtime::execution_id, archive_keys::retention_entry> read_entries_;
};

std::optional<document> read_whole(damaged_archive& from, runtime::execution_id id) {
    std::string value;
    if (!from.get(archive_keys::document_key(id), value)) return std::nullopt;
    auto stored = from.decode(id, value);
    if (!stored) return std::nullopt;
    std::optional<std::vector<std::uint32_t>> chunks;
    if (auto entry = from.entry_of(id, stored->ended_at)) chunks = std::move(entry->chunks);
    if (!chunks) chunks = from.chunks_of(id);
    if (!chunks) return std::nullopt;
    document out;
    out.id = id;
    out.tenant = stored->summary.tenant;
    out.user = stored->summary.user;
    out.ended_at = stored->ended_at;
    out.summary = std::move(stored->summary.summary);
    if (stored->chunk) out.chunks.push_back({stored->chunk->first_event, std::string(stored->chunk->bytes)});
    for (const auto first : *chunks) {
        if (!from.get(archive_keys::chunk_key(id, first), value)) return std::nullopt;
        out.chunks.push_back({first, value});
    }
    return out;
}

bool write(archive_database& to, std::vector<document>& batch, archive_repair& report) {
    std::vector<const document*> documents;
    for (const auto& each : batch) documents.push_back(&each);
    const auto written = to.write(documents);
    if (!written) report.diagnosis = "the new archive cannot be written: " + written.error().message();
    report.saved += batch.size();
    batch.clear();
    return written.has_value();
}

bool copy_documents(damaged_archive& from, archive_database& to, archive_repair& report) {
    std::set<runtime::execution_id> ids;
    for (const auto* kind : {"d", "T", "R", "t", "r"}) from.collect_ids(kind, ids);
    std::vector<document> batch;
    std::size_t bytes = 0;
    for (const auto& id : ids) {
        auto whole = read_whole(from, id);
        if (!whole) {
            ++report.lost;
            if (report.lost_ids.size() < archive_repair::lost_ids_max) report.lost_ids.push_back(id);
            continue;
        }
        bytes += archive_keys::entry_of(*whole).bytes;
        batch.push_back(std::move(*whole));
        if (bytes < batch_bytes_max) continue;
        if (!write(to, batch, report)) return false;
        bytes = 0;
    }
    if (!batch.empty() && !write(to, batch, report)) return false;
    std::string value;
    const bool counted = from.get(std::string(archive_keys::totals_key), value);
    const auto totals = archive_keys::decode_totals(value);
    const std::uint64_t known = report.saved + report.lost;
    report.counted = counted && totals.has_value();
    if (counted && totals && totals->documents > known) report.unknown = totals->documents - known;
    return true;
}

// The damaged one goes aside, the new one takes its place.
bool replace(const std::string& directory, const std::string& made, archive_repair& report) {
    std::error_code failed;
    std::string aside;
    int number = 1;
    do aside = directory + ".damaged-" + std::to_string(number++);
    while (fs::exists(aside, failed));
    fs::rename(directory, aside, failed);
    if (!failed) report.set_aside = aside;
    if (!failed) fs::rename(made, directory, failed);
    if (failed) report.diagnosis = "the new archive cannot take the place of the old one: " + failed.message();
    return !failed;
}

// RocksDB's view of the directory, as far as it can be had at all.
bool open_damaged(const std::string& directory, damaged_archive& out, archive_repair& report) {
    std::string why = find_metadata_damage(directory);
    if (why.empty() && out.open(directory, why)) return true;
    std::string diagnosis;
    const auto restored = restore_metadata(directory, diagnosis);
    if (restored.empty()) {
        report.steps.push_back(why + "; " + diagnosis + ": nothing of the old archive can be read");
        return false;
    }
    report.steps.push_back(why + "; " + restored);
    if (out.open(directory, why)) return true;
    report.steps.push_back(why + ": nothing of the old archive can be read");
    return false;
}

}  // namespace

archive_repair repair_archive(const std::string& directory) {
    archive_repair report;
    bool readable = false;
    {
        damaged_archive from;
        const bool there = fs::exists(directory);
        if (!there) report.steps.push_back(directory + " is missing");
        readable = there && open_damaged(directory, from, report);
        report.counted = readable;
    }
    if (readable) {
        auto found = verify_archive(directory);
        if (found.good) {
            report.saved = found.documents;
            report.done = true;
            return report;
        }
        report.steps.insert(report.steps.end(), found.damage.begin(), found.damage.end());
    }
    archive_options to;
    to.directory = directory + ".new";
    std::error_code ignored;
    fs::remove_all(to.directory, ignored);
    {
        silent_observer nobody;
        auto made = archive_database::open(to, nobody, report.diagnosis);
        if (!made) return report;
        damaged_archive from;
        std::string why;
        if (readable && from.open(directory, why) && !copy_documents(from, **made, report)) return report;
    }
    if (!fs::exists(directory)) {
        fs::rename(to.directory, directory, ignored);
        report.done = !ignored;
        return report;
    }
    report.done = replace(directory, to.directory, report);
    return report;
}

}  // namespace storage::embedded
