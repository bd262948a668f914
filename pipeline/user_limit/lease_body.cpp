#include "pipeline/user_limit/lease_body.hpp"

#include <algorithm>

#include "pipeline/records.pb.h"

namespace pipeline::user_limit {

std::string encode(const lease_body& value) {
    proto::Lease out;
    out.set_life(value.life);
    out.set_lease(value.lease);
    out.set_count(value.count);
    out.set_want(value.want);
    out.set_urgent(value.urgent);
    out.set_denied(value.denied);
    out.set_answers_recall(value.answers_recall);
    out.set_ends(value.ends);
    out.set_until_us(value.until.microseconds_since_epoch);
    for (const auto& entry : value.entries) {
        auto& one = *out.add_entries();
        one.set_user(std::string(entry.user.bytes.begin(), entry.user.bytes.end()));
        one.set_lease(entry.lease);
        one.set_held(entry.held);
    }
    return out.SerializeAsString();
}

std::optional<lease_body> decode_lease(std::string_view bytes) {
    proto::Lease in;
    if (!in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
    lease_body out;
    out.life = in.life();
    out.lease = in.lease();
    out.count = in.count();
    out.want = in.want();
    out.urgent = in.urgent();
    out.denied = in.denied();
    out.answers_recall = in.answers_recall();
    out.ends = in.ends();
    out.until = {in.until_us()};
    for (const auto& one : in.entries()) {
        lease_body::entry entry;
        if (one.user().size() != entry.user.bytes.size()) return std::nullopt;
        std::copy(one.user().begin(), one.user().end(), reinterpret_cast<char*>(entry.user.bytes.data()));
        entry.lease = one.lease();
        entry.held = one.held();
        out.entries.push_back(entry);
    }
    return out;
}

}  // namespace pipeline::user_limit
