// What the program of an execute request may reach in the network.
#include <algorithm>

#include "http/api/execute_fields.hpp"
#include "http/api/execute_request.hpp"

namespace http::api {

void execute_fields::network(element at) {
    std::string_view word;
    if (at.get(word) == simdjson::SUCCESS) {
        if (word == "open") {
            out_.network.mode = pipeline::network_mode::open;
        } else if (word != "none") {
            add("/network", "unknown_value", "must be none, open or an object with allow");
        }
        return;
    }
    object holder;
    if (at.get(holder) != simdjson::SUCCESS)
        return add("/network", "wrong_type", "must be none, open or an object with allow");
    if (!members_in_order(holder, "/network")) return;
    bool seen = false;
    for (const auto member : holder) {
        if (member.key == "allow") {
            seen = true;
            network_allow(member.value);
        } else {
            add("/network" + token(member.key), "unknown_field", "there is no such field");
        }
    }
    if (!seen) add("/network/allow", "required", "this field is required");
}

void execute_fields::network_allow(element at) {
    simdjson::dom::array list;
    if (at.get(list) != simdjson::SUCCESS) return add("/network/allow", "wrong_type", "must be an array of strings");
    out_.network.mode = pipeline::network_mode::allow;
    std::size_t index = 0;
    for (const element one : list) {
        if (index == pipeline::network_allow_max) {
            reached("network_allow_max", pipeline::network_allow_max);
            return add("/network/allow", "too_many",
                       at_most(pipeline::network_allow_max, "entries (network_allow_max)"));
        }
        const std::string pointer = "/network/allow/" + std::to_string(index++);
        std::string_view rule;
        if (!text(one, pointer, rule)) continue;
        if (!pipeline::parse_host_rule(rule)) {
            add(pointer, "bad_host",
                "must be host:port, where host is a name, *.name, an IPv4 address of four decimal numbers, an IPv6 "
                "address in brackets or *, and port 1 to 65535 or *");
        } else {
            out_.network.allow.emplace_back(rule);
        }
    }
    if (index == 0) add("/network/allow", "too_few", "must name a host; without network, leave the field out");
}

namespace {

std::string list_of(const std::vector<pipeline::host_rule>& rules) {
    std::string out;
    for (const auto& rule : rules) out += (out.empty() ? "" : ", ") + rule.to_string();
    return out.empty() ? "none" : out;
}

}  // namespace

std::optional<problem> refused_network(const pipeline::network_policy& policy, const pipeline::principal& who,
                                       const pipeline::script_request& asked) {
    std::vector<pipeline::field_error> errors;
    if (asked.network.mode == pipeline::network_mode::open && !policy.may_open(asked.lang, who.admin))
        errors.push_back(
            {"/network", "not_allowed", "the operator's network.open names neither this language nor a role of yours"});
    for (std::size_t i = 0; i < asked.network.allow.size(); ++i) {
        const auto rule = pipeline::parse_host_rule(asked.network.allow[i]);
        const auto covers = [&rule](const pipeline::host_rule& wide) { return wide.covers(*rule); };
        if (rule && std::ranges::any_of(policy.hosts, covers)) continue;
        errors.push_back({"/network/allow/" + std::to_string(i), "not_allowed",
                          "the operator's network.hosts does not cover it; it has: " + list_of(policy.hosts)});
    }
    if (errors.empty()) return std::nullopt;
    problem out("network_not_allowed", "the operator does not allow this network");
    out.errors = std::move(errors);
    return out;
}

}  // namespace http::api
