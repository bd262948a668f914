#include "storage/embedded/blobs/log_blobs.hpp"

#include <algorithm>

namespace storage::embedded {
namespace {

constexpr std::size_t read_bytes_max = 4U << 20;

std::uint64_t pieces_of(std::uint64_t bytes) { return (bytes + blob_piece_bytes_max - 1) / blob_piece_bytes_max; }

std::size_t piece_bytes(const blob_reference& reference, std::uint64_t piece) {
    const std::uint64_t begin = piece * blob_piece_bytes_max;
    return static_cast<std::size_t>(std::min<std::uint64_t>(blob_piece_bytes_max, reference.bytes - begin));
}

}  // namespace

result<blob_reference> log_blobs::put(const record_header& like, std::string_view bytes) {
    record_header header = like;
    header.type = record_type_;
    header.format = 1;
    header.first_event = 0;
    header.event_count = 0;
    blob_reference reference;
    reference.bytes = bytes.size();
    reference.pieces = static_cast<std::uint32_t>(pieces_of(bytes.size()));
    for (std::uint32_t piece = 0; piece < reference.pieces; ++piece) {
        header.step = piece;
        const auto payload = bytes.substr(piece * blob_piece_bytes_max, blob_piece_bytes_max);
        const auto stored = log_.append(header, payload);
        if (!stored) return stored.error();
        if (piece == 0) reference.first = stored->at;
        if (stored->at != reference.first + piece) return log_errc::corrupt;
    }
    return reference;
}

task<result<std::string>> log_blobs::get(partition_id partition, blob_reference reference) {
    if (reference.pieces != pieces_of(reference.bytes)) co_return log_errc::corrupt;
    std::string bytes;
    // Not all of it at once: the reference may be damaged, which only the pieces can tell.
    bytes.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(reference.bytes, 4 * read_bytes_max)));
    for (std::uint32_t piece = 0; piece < reference.pieces;) {
        const auto read =
            co_await log_.read(partition, reference.first + piece, read_bytes_max, reference.pieces - piece);
        if (!read) co_return read.error();
        if (read->empty()) co_return log_errc::not_found;
        for (const auto& each : *read) {
            const bool is_the_piece = piece < reference.pieces && each.header.type == record_type_ &&
                                      each.header.step == piece && each.header.at == reference.first + piece &&
                                      each.payload.size() == piece_bytes(reference, piece);
            if (!is_the_piece) co_return log_errc::corrupt;
            bytes += each.payload;
            ++piece;
        }
    }
    co_return bytes;
}

}  // namespace storage::embedded
