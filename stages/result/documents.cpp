#include "stages/result/documents.hpp"

#include "runtime/base/planted_bug.hpp"

namespace stages::result {

using pipeline::execution;

namespace {

constexpr std::size_t chunk_bytes_max = 256 * 1024;

pipeline::summary summarize(const execution& e) {
    pipeline::summary out;
    out.lang = e.spec.lang;
    out.lang_version = e.spec.lang_version;
    out.priority = e.spec.priority;
    out.labels = e.spec.more().labels;
    out.attempt = e.attempt;
    out.started_at = e.started_at;
    out.finished_at = *e.finished_at;
    out.last_event = e.last_event;
    out.verdict = *e.verdict;
    return out;
}

// Cuts the records into chunks; a chunk's first event is that of its first record. Blob pieces have none and stay
// together, so that no two chunks begin with the same.
std::vector<storage::document::chunk> cut(std::vector<storage::record> records) {
    std::vector<storage::document::chunk> chunks;
    std::vector<storage::record> some;
    std::size_t bytes = 0;
    const auto close = [&] {
        if (some.empty()) return;
        chunks.push_back({some.front().header.first_event, pipeline::encode_chunk(some)});
        some.clear();
        bytes = 0;
    };
    if (runtime::planted(runtime::planted_bug::end_left_behind)) records.pop_back();
    for (auto& record : records) {
        const bool is_blob = record.header.type == static_cast<std::uint16_t>(pipeline::record_type::blob_piece);
        const bool follows_blobs = !some.empty() && some.front().header.first_event == 0 && !is_blob;
        if ((bytes + record.payload.size() > chunk_bytes_max && !is_blob) || follows_blobs) close();
        bytes += record.payload.size();
        some.push_back(std::move(record));
    }
    close();
    return chunks;
}

}  // namespace

storage::document document_of(const execution& e, std::vector<storage::record> records,
                              const std::vector<std::string>& artifacts) {
    storage::document out;
    out.id = e.id;
    out.tenant = e.tenant;
    out.user = e.user;
    out.ended_at = *e.finished_at;
    out.is_new = e.is_new;
    out.summary = pipeline::encode(summarize(e));
    out.chunks = cut(std::move(records));
    for (std::size_t i = 0; i < artifacts.size(); ++i) {
        if (e.verdict->artifacts.at(i).fault != pipeline::artifact_fault::none) continue;
        constexpr std::size_t piece_bytes = pipeline::archived_artifact_piece_bytes;
        const std::string_view all = artifacts[i];
        // An empty one has a chunk, too.
        for (std::size_t piece = 0; piece == 0 || piece * piece_bytes < all.size(); ++piece)
            out.chunks.push_back({pipeline::artifact_chunk(i, piece),
                                  pipeline::encode_artifact_piece(all.substr(piece * piece_bytes, piece_bytes))});
    }
    return out;
}

}  // namespace stages::result
