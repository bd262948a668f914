#include "http/api/cursor.hpp"

#include <algorithm>
#include <cstring>

#include "http/front_door/grammar.hpp"
#include "http/json_writer.hpp"
#include "runtime/base/encoding.hpp"
#include "runtime/base/sha256.hpp"

namespace http::api {
namespace {

constexpr std::size_t id_bytes = 16;
constexpr std::size_t seal_bytes = 8;

// Not a secret: it finds mistakes, it does not keep anybody out. JSON keeps the parts apart.
std::string seal(const pipeline::principal& who, const pipeline::list_filter& filter, std::string_view id) {
    std::string text;
    json_writer json(text);
    json.begin_array().value("weir cursor 1").value(runtime::hex_encode(id)).value(who.tenant).value(who.user);
    json.value(filter.only_status ? pipeline::to_string(*filter.only_status) : std::string_view()).value(filter.lang);
    auto labels = filter.labels;
    std::sort(labels.begin(), labels.end());
    for (const auto& [name, value] : labels) json.value(name).value(value);
    json.end_array();
    const auto digest = runtime::sha256(text);
    return {reinterpret_cast<const char*>(digest.data()), seal_bytes};
}

std::string_view bytes_of(const pipeline::execution_id& id) {
    return {reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()};
}

}  // namespace

std::string make_cursor(const pipeline::principal& who, const pipeline::list_filter& filter,
                        const pipeline::execution_id& below) {
    const auto id = bytes_of(below);
    return runtime::hex_encode(std::string(id) + seal(who, filter, id));
}

std::optional<pipeline::execution_id> read_cursor(std::string_view text, const pipeline::principal& who,
                                                  const pipeline::list_filter& filter) {
    if (text.size() != 2 * (id_bytes + seal_bytes) || !front_door::all(text, front_door::is_hex_class))
        return std::nullopt;
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); i += 2)
        bytes.push_back(static_cast<char>(front_door::hex_value(text[i]) * 16 + front_door::hex_value(text[i + 1])));
    const auto id = std::string_view(bytes).substr(0, id_bytes);
    if (seal(who, filter, id) != std::string_view(bytes).substr(id_bytes)) return std::nullopt;
    pipeline::execution_id out;
    std::memcpy(out.bytes.data(), id.data(), id_bytes);
    return out;
}

}  // namespace http::api
