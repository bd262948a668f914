// The pipeline's record types and what their payloads hold, as plain structs; records.proto has them on the wire.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/engine.hpp"
#include "runtime/base/boxed.hpp"
#include "storage/api/archive.hpp"
#include "storage/api/blobs.hpp"
#include "storage/api/log.hpp"

namespace pipeline {

// Numbers are for ever.
enum class record_type : std::uint16_t {
    blob_piece = 1,
    accepted = 2,
    scheduled = 3,
    started = 4,
    output = 5,
    attempt_ended = 6,
    cancellation_requested = 7,
    concluded = 8,
    key_table = 9,
    // See pipeline/letters.
    letter_sent = 10,
    letter_received = 11,
    letters_delivered = 12,
    letter_lanes = 13,
    snapshot_part = 16,
};

inline constexpr std::uint8_t entity_kind_execution = 1;
inline constexpr std::uint8_t entity_kind_partition = 2;
inline constexpr std::uint8_t record_format = 1;

// Flag of a snapshot_part's header: with it the snapshot is whole. `step` counts the parts from 0.
inline constexpr std::uint32_t snapshot_is_whole = 1;

// Bytes in the record, or claim-checked.
struct payload_bytes {
    std::string inline_bytes;
    storage::blob_reference blob;  // first == 0: inline
    [[nodiscard]] bool is_blob() const { return blob.first != 0; }
};

using key_hash = std::array<std::uint8_t, 16>;

struct key_entry {
    key_hash key{};
    runtime::sha256_digest body_sha256{};
    execution_id execution;
    runtime::utc_time expires;
};

// What of a request may lie beside its record, in the order in which it lies in the log: script, standard input,
// files.
inline constexpr std::size_t request_payloads = 3;
using payload_places = std::array<storage::blob_reference, request_payloads>;

struct accepted_record {
    struct file {
        std::string path;
        std::uint64_t bytes = 0;
    };
    // What many requests are without: a queue of a million of them need not have the room for it.
    struct extras {
        std::vector<std::string> args;
        payload_bytes standard_input;
        std::map<std::string, std::string> labels;
        std::string traceparent;
        std::vector<file> files;
        payload_bytes file_bytes;  // of all of them, one behind the other
        std::vector<std::string> outputs;
        std::optional<interactive_input> interactive;
        network_request network;
    };

    std::string tenant;
    std::string user;
    std::string lang;
    std::string lang_version;
    payload_bytes script;
    enum priority priority = priority::normal;
    bool cold_start = false;
    script_limits limits;
    retry_policy retry;
    runtime::boxed<key_entry> key;

    // Empty ones if there are none.
    [[nodiscard]] const extras& more() const;
    // To be filled in.
    [[nodiscard]] extras& with_more();

    [[nodiscard]] std::array<const payload_bytes*, request_payloads> payloads() const {
        return {&script, &more().standard_input, &more().file_bytes};
    }
    // Where each payload that is a blob lies now.
    void move_blobs(const payload_places& to);

  private:
    runtime::boxed<extras> more_;
};

// An artefact's bytes, one piece behind the other; none for an output with a fault.
using artifact_pieces = std::vector<payload_bytes>;
inline constexpr std::size_t artifact_piece_bytes_max = 1U << 20;

struct concluded_record {
    verdict_view verdict;
    std::vector<artifact_pieces> artifacts;  // one for each of the verdict's
};

struct output_record {
    enum stream stream = stream::standard_output;
    std::uint64_t offset = 0;
    bool is_text = true;
    std::string bytes;
};

struct attempt_ended_record {
    verdict_view verdict;
    runtime::utc_time next_not_before;
};

// Encoders of payloads. Decoders give nothing for bytes that are no such payload.
std::string encode(const accepted_record& value);
std::string encode(const output_record& value);
std::string encode(const attempt_ended_record& value);
std::string encode(const concluded_record& value);
std::string encode(std::span<const key_entry> keys);
std::optional<accepted_record> decode_accepted(std::string_view payload);
std::optional<output_record> decode_output(std::string_view payload);
std::optional<attempt_ended_record> decode_attempt_ended(std::string_view payload);
std::optional<concluded_record> decode_concluded(std::string_view payload);
std::optional<std::vector<key_entry>> decode_keys(std::string_view payload);

// The summary of an archived execution.
struct summary {
    std::string lang;
    std::string lang_version;
    enum priority priority = priority::normal;
    std::map<std::string, std::string> labels;
    std::uint32_t attempt = 1;
    std::optional<runtime::utc_time> started_at;
    runtime::utc_time finished_at;
    std::uint32_t last_event = 0;
    verdict_view verdict;
};
std::string encode(const summary& value);
std::optional<summary> decode_summary(std::string_view bytes);

// Where a document has the bytes of artefact `index`, from 0: in chunks behind all that have events, one for each
// archived_artifact_piece_bytes of it; see encode_artifact_piece().
inline constexpr std::size_t archived_artifact_piece_bytes = 256 * 1024;
inline constexpr std::uint32_t artifact_chunks_begin = 1U << 31;
constexpr std::uint32_t artifact_chunk(std::size_t index, std::size_t piece) {
    return artifact_chunks_begin | static_cast<std::uint32_t>(index << 16 | piece);
}
std::string encode_artifact_piece(std::string_view bytes);
std::optional<std::string> decode_artifact_piece(std::string_view chunk);

// A chunk of records, as the archive keeps them, and back.
std::string encode_chunk(const std::vector<storage::record>& records);
std::optional<std::vector<storage::record>> decode_chunk(std::string_view bytes);

// An accepted record's payload with other places of its blobs; what a later version wrote into it is kept. Nothing
// for a payload that cannot be read.
std::optional<std::string> with_blobs(std::string_view accepted_payload, const payload_places& places);

// The records that a snapshot_part carries, as they first stood but for their offset, which is the part's. Nothing
// for a payload that cannot be read.
std::optional<std::vector<storage::record>> records_of_part(const storage::record_view& part);

// The events that a record holds, rendered from nothing but the record: the same from log and archive, for ever.
// Nothing for a payload that cannot be read.
std::optional<std::vector<std::shared_ptr<const event>>> events_of(const storage::record_view& record);

}  // namespace pipeline
