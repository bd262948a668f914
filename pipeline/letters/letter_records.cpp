#include "pipeline/letters/letter_records.hpp"

#include <algorithm>

#include "pipeline/records.pb.h"

namespace pipeline::letters {
namespace {

void fill(proto::Letter& out, const letter& in) {
    out.set_to_slot(in.what.to.value);
    out.set_number(in.number);
    out.set_kind(static_cast<std::uint32_t>(in.what.kind));
    const auto& entity = in.what.entity.bytes;
    if (!in.what.entity.is_nil()) out.set_entity(std::string(entity.begin(), entity.end()));
    out.set_step(in.what.step);
    out.set_attempt(in.what.attempt);
    out.set_body(in.what.body);
}

std::optional<letter> read(const proto::Letter& in) {
    letter out;
    if (in.to_slot() > UINT16_MAX || in.kind() > UINT16_MAX || in.number() == 0) return std::nullopt;
    out.number = in.number();
    out.what.to = {static_cast<std::uint16_t>(in.to_slot())};
    out.what.kind = static_cast<letter_kind>(in.kind());
    if (!in.entity().empty()) {
        if (in.entity().size() != out.what.entity.bytes.size()) return std::nullopt;
        std::copy(in.entity().begin(), in.entity().end(), reinterpret_cast<char*>(out.what.entity.bytes.data()));
    }
    out.what.step = in.step();
    out.what.attempt = static_cast<std::uint16_t>(in.attempt());
    out.what.body = in.body();
    return out;
}

template <class Message>
std::optional<Message> parse(std::string_view payload) {
    Message message;
    if (!message.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) return std::nullopt;
    return message;
}

partition_id partition_from(std::uint32_t number) { return {static_cast<std::uint16_t>(number)}; }

}  // namespace

std::string encode(const letter& sent) {
    proto::LetterSent out;
    fill(*out.mutable_letter(), sent);
    return out.SerializeAsString();
}

std::optional<letter> decode_letter_sent(std::string_view payload) {
    const auto in = parse<proto::LetterSent>(payload);
    if (!in) return std::nullopt;
    return read(in->letter());
}

std::string encode(const letter_received_record& value) {
    proto::LetterReceived out;
    out.set_from_partition(value.from.value);
    fill(*out.mutable_letter(), value.what);
    out.set_at_us(value.at.microseconds_since_epoch);
    for (const auto& answer : value.answers) fill(*out.add_answers(), answer);
    return out.SerializeAsString();
}

std::optional<letter_received_record> decode_letter_received(std::string_view payload) {
    const auto in = parse<proto::LetterReceived>(payload);
    if (!in) return std::nullopt;
    auto what = read(in->letter());
    if (!what) return std::nullopt;
    letter_received_record out;
    out.from = partition_from(in->from_partition());
    out.what = std::move(*what);
    out.at = {in->at_us()};
    for (const auto& one : in->answers()) {
        auto answer = read(one);
        if (!answer) return std::nullopt;
        out.answers.push_back(std::move(*answer));
    }
    return out;
}

std::string encode(const std::vector<delivered_lane>& lanes) {
    proto::LettersDelivered out;
    for (const auto& lane : lanes) {
        auto& one = *out.add_lanes();
        one.set_to_partition(lane.to.value);
        one.set_through(lane.through);
    }
    return out.SerializeAsString();
}

std::optional<std::vector<delivered_lane>> decode_letters_delivered(std::string_view payload) {
    const auto in = parse<proto::LettersDelivered>(payload);
    if (!in) return std::nullopt;
    std::vector<delivered_lane> out;
    for (const auto& lane : in->lanes()) out.push_back({partition_from(lane.to_partition()), lane.through()});
    return out;
}

std::string encode(const std::vector<lane_state>& lanes) {
    proto::LetterLanes out;
    for (const auto& lane : lanes) {
        auto& one = *out.add_lanes();
        one.set_peer(lane.peer.value);
        one.set_sent(lane.sent);
        one.set_delivered(lane.delivered);
        one.set_received(lane.received);
    }
    return out.SerializeAsString();
}

std::optional<std::vector<lane_state>> decode_letter_lanes(std::string_view payload) {
    const auto in = parse<proto::LetterLanes>(payload);
    if (!in) return std::nullopt;
    std::vector<lane_state> out;
    for (const auto& lane : in->lanes())
        out.push_back({partition_from(lane.peer()), lane.sent(), lane.delivered(), lane.received()});
    return out;
}

}  // namespace pipeline::letters
