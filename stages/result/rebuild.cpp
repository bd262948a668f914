#include "stages/result/rebuild.hpp"

#include "pipeline/records.hpp"
#include "stages/result/documents.hpp"

namespace stages::result {

using pipeline::execution;
using pipeline::record_type;

namespace {

storage::record copy_of(const storage::record_view& record) { return {record.header, std::string(record.payload)}; }

// The pieces of a blob, in order; fewer if some are gone.
std::vector<storage::record> pieces_of(const storage::blob_reference& blob, const std::vector<storage::record>& all) {
    std::vector<storage::record> out;
    for (const auto& piece : all)
        if (blob.first != 0 && piece.header.at >= blob.first && piece.header.at < blob.first + blob.pieces)
            out.push_back(piece);
    return out;
}

// The bytes of an ended execution's artefacts; nothing if some are gone.
std::optional<std::vector<std::string>> artifacts_of(const execution& e, const std::vector<storage::record>& all) {
    std::vector<std::string> out;
    for (const auto& artifact : e.artifacts) {
        std::string& bytes = out.emplace_back();
        for (const auto& piece : artifact) {
            bytes += piece.inline_bytes;
            const auto found = pieces_of(piece.blob, all);
            if (found.size() != piece.blob.pieces) return std::nullopt;
            for (const auto& record : found) bytes += record.payload;
        }
    }
    return out;
}

}  // namespace

void rebuild::begin(const storage::record_view& accepted) {
    auto pieces = std::move(blobs_[accepted.header.entity]);
    blobs_.erase(accepted.header.entity);
    open_execution fresh;
    fresh.e = execution::make(home_, accepted);
    if (!fresh.e || !fresh.e->apply(accepted, false)) return;
    for (const auto* payload : fresh.e->spec.payloads()) {
        auto found = pieces_of(payload->blob, pieces);
        if (found.size() != payload->blob.pieces) return;
        std::move(found.begin(), found.end(), std::back_inserter(fresh.records));
    }
    fresh.records.push_back(copy_of(accepted));
    open_[accepted.header.entity] = std::move(fresh);
}

void rebuild::follow(const storage::record_view& record) {
    const auto found = open_.find(record.header.entity);
    // Its beginning is no longer in the log.
    if (found == open_.end()) return;
    auto& one = found->second;
    const bool follows = one.e->apply(record, false);
    if (follows) {
        one.records.push_back(copy_of(record));
        if (!one.e->is_ended()) return;
        if (const auto artifacts = artifacts_of(*one.e, blobs_[record.header.entity]))
            found_(document_of(*one.e, std::move(one.records), *artifacts));
    }
    blobs_.erase(record.header.entity);
    open_.erase(found);
}

void rebuild::take(const storage::record_view& record) {
    if (record.header.format != pipeline::record_format) return;
    switch (static_cast<record_type>(record.header.type)) {
        case record_type::blob_piece: blobs_[record.header.entity].push_back(copy_of(record)); break;
        case record_type::accepted: begin(record); break;
        case record_type::snapshot_part:
            // A copy of what was seen, or of what is not in the log; its blobs are no acceptance's.
            blobs_.erase(record.header.entity);
            break;
        case record_type::scheduled:
        case record_type::started:
        case record_type::output:
        case record_type::attempt_ended:
        case record_type::cancellation_requested:
        case record_type::concluded: follow(record); break;
        default: break;
    }
}

}  // namespace stages::result
