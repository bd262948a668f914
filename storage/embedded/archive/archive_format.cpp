// The format of an archive's directory, and how one of an earlier format becomes one of the present.
//
// Formats 1 and 2 had keys of their own for each document in the lists (`t`, `u`) and, from 2 on, in the order of
// retention (`r`). Documents and chunks lie where they always did; only format 1 lacked a document's end.
#include <charconv>

#include "storage/embedded/archive/archive_blocks.hpp"
#include "storage/embedded/archive/archive_keys.hpp"
#include "storage/embedded/archive/archive_state.hpp"

namespace storage::embedded {

using runtime::result;

namespace {

struct chunks_of_document {
    std::vector<std::uint32_t> first_events;
    std::uint64_t bytes = 0;
};

result<chunks_of_document> look_at_chunks(rocksdb::DB& db, runtime::execution_id id) {
    const std::string lower = archive_keys::chunk_prefix(id);
    const std::string upper = archive_keys::behind(lower);
    const rocksdb::Slice upper_bound(upper);
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &upper_bound;
    const std::unique_ptr<rocksdb::Iterator> at(db.NewIterator(options));
    chunks_of_document out;
    for (at->Seek(lower); at->Valid(); at->Next()) {
        const auto first = archive_keys::first_event_at_end(at->key().ToStringView());
        if (!first) return archive_errc::corrupt;
        out.first_events.push_back(*first);
        out.bytes += at->value().size();
    }
    if (!at->status().ok()) return code_of(at->status());
    return out;
}

// Documents go over in the order of their ids, many in one write that also says how far it has come: the old format's
// number, in one byte, and the last document's key. So each goes over once, however often a start is interrupted.
class conversion {
  public:
    conversion(rocksdb::DB& db, char from, std::string& diagnosis) : db_(db), from_(from), diagnosis_(diagnosis) {}

    // From the key behind `last` on.
    result<void> run(std::string last) {
        last_ = last.empty() ? std::string(archive_keys::document_prefix) : std::move(last);
        const auto known = last_ == archive_keys::document_prefix ? result<void>() : read_totals();
        if (!known) return known;
        const std::string upper = archive_keys::behind(std::string(archive_keys::document_prefix));
        const rocksdb::Slice upper_bound(upper);
        rocksdb::ReadOptions options;
        options.iterate_upper_bound = &upper_bound;
        const std::unique_ptr<rocksdb::Iterator> at(db_.NewIterator(options));
        for (at->Seek(last_ + '\0'); at->Valid(); at->Next()) {
            const auto converted = convert(at->key().ToStringView(), at->value().ToStringView());
            if (!converted) {
                diagnosis_ = "a document of it cannot be brought to the present format: " + converted.error().message();
                return converted;
            }
            if (indexed_.size() < archive_keys::batch_documents_max) continue;
            const auto written = write();
            if (!written) return written;
        }
        if (!at->status().ok()) return fail(at->status());
        const auto written = write();
        if (!written) return written;
        const auto status = db_.Delete(write_options(), slice(archive_keys::conversion_key));
        return status.ok() ? flush() : fail(status);
    }

  private:
    result<void> fail(const rocksdb::Status& status) {
        diagnosis_ = "it cannot be brought to the present format: " + status.ToString();
        return code_of(status);
    }

    result<void> read_totals() {
        std::string value;
        const auto status = db_.Get(rocksdb::ReadOptions(), slice(archive_keys::totals_key), &value);
        const auto found = archive_keys::decode_totals(value);
        if (!status.ok()) return fail(status);
        if (!found) return fail(rocksdb::Status::Corruption("its totals cannot be read"));
        sum_ = *found;
        return {};
    }

    // Of format 1; but a start of version 0.1 may have been interrupted while it brought the archive to format 2.
    result<std::optional<archive_keys::stored_document>> decode(runtime::execution_id id, std::string_view value) {
        if (from_ != 1) return archive_keys::decode_document(id, value);
        auto first = archive_keys::decode_document_1(id, value);
        if (!first) return first;
        std::string there;
        const auto key = archive_keys::index_keys_2(first->summary, first->ended_at).back();
        const auto status = db_.Get(rocksdb::ReadOptions(), key, &there);
        if (status.ok()) return archive_keys::decode_document(id, value);
        if (!status.IsNotFound()) return code_of(status);
        return first;
    }

    result<void> convert(std::string_view key, std::string_view value) {
        const auto id = archive_keys::id_of_document_key(key);
        if (!id) return archive_errc::corrupt;
        const auto decoded = decode(*id, value);
        if (!decoded) return decoded.error();
        const auto& old = *decoded;
        if (!old) return archive_errc::corrupt;
        auto chunks = look_at_chunks(db_, *id);
        if (!chunks) return chunks.error();
        document whole;
        whole.id = *id;
        whole.tenant = old->summary.tenant;
        whole.user = old->summary.user;
        whole.ended_at = old->ended_at;
        whole.summary = old->summary.summary;
        if (from_ == 1) batch_.Put(slice(key), archive_keys::encode_document_head(whole) + whole.summary);
        for (const auto& gone : archive_keys::index_keys_2(old->summary, old->ended_at)) batch_.Delete(gone);
        auto entry = archive_keys::entry_of(whole);
        for (const auto first : chunks->first_events) entry.add_chunk(first, 0, true);
        entry.bytes += chunks->bytes;
        ++sum_.documents;
        sum_.bytes += entry.bytes;
        indexed_.push_back({whole.tenant, whole.user, std::move(entry)});
        last_ = key;
        return {};
    }

    result<void> write() {
        add_blocks(batch_, std::move(indexed_), sum_.batches);
        indexed_.clear();
        batch_.Put(slice(archive_keys::format_key), std::to_string(archive_keys::format_version));
        batch_.Put(slice(archive_keys::totals_key), archive_keys::encode_totals(sum_));
        batch_.Put(slice(archive_keys::conversion_key), from_ + last_);
        const auto status = db_.Write(write_options(), &batch_);
        batch_.Clear();
        return status.ok() ? result<void>() : fail(status);
    }

    result<void> flush() {
        const auto status = db_.Flush(flush_options(true));
        return status.ok() ? result<void>() : fail(status);
    }

    rocksdb::DB& db_;
    const char from_;
    std::string& diagnosis_;
    std::string last_;
    archive_keys::stored_totals sum_;
    rocksdb::WriteBatch batch_;
    std::vector<indexed_document> indexed_;
};

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
        std::string left;
        const auto interrupted = db.Get(rocksdb::ReadOptions(), slice(archive_keys::conversion_key), &left);
        if (interrupted.ok() && !left.empty()) return conversion(db, left.front(), diagnosis).run(left.substr(1));
        if (!interrupted.IsNotFound()) {
            diagnosis = "how far it has come to the present format cannot be read: " + interrupted.ToString();
            return archive_errc::corrupt;
        }
        if (version == archive_keys::format_version) return {};
        return conversion(db, static_cast<char>(version), diagnosis).run({});
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
