// The contract and the router say the same.
#include <gtest/gtest.h>
#include <simdjson.h>

#include <map>
#include <set>

#include "http/api/openapi.hpp"
#include "http/front_door/grammar.hpp"
#include "http/router.hpp"

namespace http {
namespace {

using operations = std::map<std::string, std::string>;  // "get /path" to operationId

operations of_the_contract() {
    operations out;
    simdjson::dom::parser parser;
    const simdjson::padded_string text(api::openapi_json());
    const simdjson::dom::element root = parser.parse(text);
    const simdjson::dom::object paths = root["paths"];
    for (const auto path : paths) {
        const simdjson::dom::object items = path.value;
        for (const auto item : items) {
            if (item.key == "parameters") continue;
            const std::string_view id = item.value["operationId"];
            out.emplace(std::string(item.key) + " " + std::string(path.key), id);
        }
    }
    return out;
}

operations of_the_router() {
    operations out;
    for (const auto& route : routes()) {
        std::string method;
        for (const char c : to_string(route.verb)) method.push_back(front_door::lower(c));
        out.emplace(method + " " + std::string(route.pattern), route.name);
    }
    return out;
}

TEST(openapi, names_every_route_and_no_other) {
    EXPECT_EQ(of_the_contract(), of_the_router());
    EXPECT_EQ(of_the_router().size(), routes().size());
}

TEST(openapi, has_what_it_refers_to) {
    const auto text = api::openapi_json();
    simdjson::dom::parser parser;
    const simdjson::padded_string padded(text);
    const simdjson::dom::element root = parser.parse(padded);
    constexpr std::string_view marker = "\"$ref\": \"#";
    std::size_t count = 0;
    for (auto at = text.find(marker); at != std::string_view::npos; at = text.find(marker, at + 1), ++count) {
        const auto begin = at + marker.size();
        const auto pointer = text.substr(begin, text.find('"', begin) - begin);
        EXPECT_EQ(root.at_pointer(pointer).error(), simdjson::SUCCESS) << pointer;
    }
    EXPECT_GT(count, 50U);
}

}  // namespace
}  // namespace http
