// The format of an archive's directory, and how one of format 1 becomes one of format 2.
#include <charconv>

#include "storage/embedded/archive/archive_keys.hpp"
#include "storage/embedded/archive/archive_state.hpp"

namespace storage::embedded {

using runtime::result;

namespace {

constexpr std::size_t documents_per_batch = 256;

// First events and bytes of a document's chunks.
result<void> look_at_chunks(rocksdb::DB& db, runtime::execution_id id, document& out, std::uint64_t& bytes) {
    const std::string lower = archive_keys::chunk_prefix(id);
    const std::string upper = archive_keys::behind(lower);
    const rocksdb::Slice upper_bound(upper);
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper_bound;
    const std::unique_ptr<rocksdb::Iterator> at(db.NewIterator(options));
    for (at->Seek(lower); at->Valid(); at->Next()) {
        const auto first = archive_keys::first_event_at_end(at->key().ToStringView());
        if (!first) return archive_errc::corrupt;
        out.chunks.push_back({*first, {}});
        bytes += at->value().size();
    }
    if (!at->status().ok()) return code_of(at->status());
    return {};
}

// Adds what format 1 did not have. One that has it, because an earlier try was interrupted, is only counted.
result<void> convert_one(rocksdb::DB& db, runtime::execution_id id, std::string_view value, rocksdb::WriteBatch& batch,
                         archive_totals& sum) {
    const auto old = archive_keys::decode_document_1(id, value);
    if (!old) return archive_errc::corrupt;
    const auto key = archive_keys::retention_key(old->ended_at, id);
    std::string there;
    const auto status = db.Get(rocksdb::ReadOptions(), key, &there);
    if (!status.ok() && !status.IsNotFound()) return code_of(status);
    auto entry = archive_keys::decode_entry(there);
    if (!status.ok() || !entry) {
        document whole;
        whole.id = id;
        whole.tenant = old->summary.tenant;
        whole.user = old->summary.user;
        whole.ended_at = old->ended_at;
        whole.summary = old->summary.summary;
        std::uint64_t bytes = 0;
        const auto looked = look_at_chunks(db, id, whole, bytes);
        if (!looked) return looked;
        entry = archive_keys::entry_of(whole);
        entry->bytes += bytes;
        batch.Put(archive_keys::document_key(id), archive_keys::encode_document(whole));
        batch.Put(key, archive_keys::encode_entry(*entry));
    }
    ++sum.documents;
    sum.bytes += entry->bytes;
    return {};
}

result<void> bring_up_to_date(rocksdb::DB& db, std::string& diagnosis) {
    archive_totals sum;
    rocksdb::WriteBatch batch;
    const auto write = [&] {
        const auto status = db.Write(write_options(), &batch);
        batch.Clear();
        if (!status.ok()) diagnosis = "it cannot be brought to the present format: " + status.ToString();
        return status.ok() ? result<void>() : result<void>(code_of(status));
    };
    const std::string lower(archive_keys::document_prefix);
    const std::string upper = archive_keys::behind(lower);
    const rocksdb::Slice upper_bound(upper);
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper_bound;
    const std::unique_ptr<rocksdb::Iterator> at(db.NewIterator(options));
    for (at->Seek(lower); at->Valid(); at->Next()) {
        const auto id = archive_keys::id_at_end(at->key().ToStringView());
        const auto converted = id ? convert_one(db, *id, at->value().ToStringView(), batch, sum)
                                  : result<void>(make_error_code(archive_errc::corrupt));
        if (!converted) {
            diagnosis = "a document of it cannot be brought to the present format: " + converted.error().message();
            return converted;
        }
        if (sum.documents % documents_per_batch != 0) continue;
        const auto written = write();
        if (!written) return written;
    }
    if (!at->status().ok()) {
        diagnosis = at->status().ToString();
        return code_of(at->status());
    }
    batch.Put(slice(archive_keys::format_key), std::to_string(archive_keys::format_version));
    batch.Put(slice(archive_keys::totals_key), archive_keys::encode_totals(sum));
    const auto written = write();
    if (!written) return written;
    const auto flushed = db.Flush(flush_options(true));
    if (!flushed.ok()) diagnosis = flushed.ToString();
    return flushed.ok() ? result<void>() : result<void>(code_of(flushed));
}

}  // namespace

result<void> settle_format(rocksdb::DB& db, std::string& diagnosis) {
    std::string text;
    const auto found = db.Get(rocksdb::ReadOptions(), slice(archive_keys::format_key), &text);
    if (found.ok()) {
        std::uint32_t version = 0;
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), version);
        if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
            diagnosis = "its format version cannot be read";
            return archive_errc::corrupt;
        }
        if (version > archive_keys::format_version) {
            diagnosis = "it was written by a later version (format " + text + ", this version knows " +
                        std::to_string(archive_keys::format_version) + ")";
            return archive_errc::newer_format;
        }
        if (version == archive_keys::format_version) return {};
        return bring_up_to_date(db, diagnosis);
    }
    auto why = found;
    if (found.IsNotFound()) {
        const std::unique_ptr<rocksdb::Iterator> any(db.NewIterator(rocksdb::ReadOptions()));
        any->SeekToFirst();
        if (any->Valid()) {
            diagnosis = "it holds keys but no format version";
            return archive_errc::corrupt;
        }
        rocksdb::WriteBatch batch;
        batch.Put(slice(archive_keys::format_key), std::to_string(archive_keys::format_version));
        batch.Put(slice(archive_keys::totals_key), archive_keys::encode_totals({}));
        why = db.Write(write_options(), &batch);
        if (why.ok()) why = db.Flush(flush_options(true));
        if (why.ok()) return {};
    }
    diagnosis = why.ToString();
    return code_of(why);
}

}  // namespace storage::embedded
