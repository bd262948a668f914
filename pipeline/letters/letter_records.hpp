// Payloads of the records about letters, as plain structs; records.proto has them on the wire.
#pragma once

#include <optional>
#include <string_view>

#include "pipeline/letters/letter.hpp"

namespace pipeline::letters {

struct letter_received_record {
    partition_id from;
    letter what;
    runtime::utc_time at;
    std::vector<letter> answers;
};

struct delivered_lane {
    partition_id to;
    std::uint64_t through = 0;
};

// Where a partition stands with another one. All three only rise.
struct lane_state {
    partition_id peer;
    std::uint64_t sent = 0;       // the last number written to it
    std::uint64_t delivered = 0;  // it has everything up to here
    std::uint64_t received = 0;   // and we everything of it up to here
};

// Encoders of payloads. Decoders give nothing for bytes that are no such payload.
std::string encode(const letter& sent);
std::string encode(const letter_received_record& value);
std::string encode(const std::vector<delivered_lane>& lanes);
std::string encode(const std::vector<lane_state>& lanes);
std::optional<letter> decode_letter_sent(std::string_view payload);
std::optional<letter_received_record> decode_letter_received(std::string_view payload);
std::optional<std::vector<delivered_lane>> decode_letters_delivered(std::string_view payload);
std::optional<std::vector<lane_state>> decode_letter_lanes(std::string_view payload);

}  // namespace pipeline::letters
