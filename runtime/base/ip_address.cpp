#include "runtime/base/ip_address.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace runtime {
namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned mapped_bits = 96;

struct kind_of_v4 {
    std::uint32_t first;
    unsigned bits;
    address_kind kind;
};

constexpr std::uint32_t quad(unsigned a, unsigned b, unsigned c, unsigned d) { return a << 24 | b << 16 | c << 8 | d; }

// The first that contains an address counts.
constexpr std::array special_v4{
    kind_of_v4{quad(169, 254, 169, 254), 32, address_kind::metadata},
    kind_of_v4{quad(169, 254, 170, 2), 32, address_kind::metadata},
    kind_of_v4{quad(100, 100, 100, 200), 32, address_kind::metadata},
    kind_of_v4{quad(168, 63, 129, 16), 32, address_kind::metadata},
    kind_of_v4{quad(192, 0, 0, 192), 32, address_kind::metadata},
    kind_of_v4{quad(0, 0, 0, 0), 8, address_kind::reserved},
    kind_of_v4{quad(10, 0, 0, 0), 8, address_kind::private_use},
    kind_of_v4{quad(100, 64, 0, 0), 10, address_kind::private_use},
    kind_of_v4{quad(127, 0, 0, 0), 8, address_kind::loopback},
    kind_of_v4{quad(169, 254, 0, 0), 16, address_kind::link_local},
    kind_of_v4{quad(172, 16, 0, 0), 12, address_kind::private_use},
    kind_of_v4{quad(192, 0, 0, 0), 24, address_kind::reserved},
    kind_of_v4{quad(192, 0, 2, 0), 24, address_kind::reserved},
    kind_of_v4{quad(192, 88, 99, 0), 24, address_kind::reserved},
    kind_of_v4{quad(192, 168, 0, 0), 16, address_kind::private_use},
    kind_of_v4{quad(198, 18, 0, 0), 15, address_kind::reserved},
    kind_of_v4{quad(198, 51, 100, 0), 24, address_kind::reserved},
    kind_of_v4{quad(203, 0, 113, 0), 24, address_kind::reserved},
    kind_of_v4{quad(224, 0, 0, 0), 4, address_kind::multicast},
    kind_of_v4{quad(240, 0, 0, 0), 4, address_kind::reserved},  // the broadcast address among them
};

struct kind_of_v6 {
    std::string_view range;
    address_kind kind;
};

// The first that contains an address counts; what none contains is reserved.
constexpr std::array special_v6{
    kind_of_v6{"::1/128", address_kind::loopback},          kind_of_v6{"fd00:ec2::/32", address_kind::metadata},
    kind_of_v6{"fd20:ce::254/128", address_kind::metadata}, kind_of_v6{"fc00::/7", address_kind::private_use},
    kind_of_v6{"fe80::/10", address_kind::link_local},      kind_of_v6{"ff00::/8", address_kind::multicast},
    kind_of_v6{"2001:db8::/32", address_kind::reserved},    kind_of_v6{"3fff::/20", address_kind::reserved},
    kind_of_v6{"2001::/23", address_kind::reserved},        kind_of_v6{"2002::/16", address_kind::reserved},
    kind_of_v6{"2000::/3", address_kind::global},
};

address_kind kind_of_ipv4(std::uint32_t value) {
    for (const auto& special : special_v4)
        if ((value ^ special.first) >> (32 - special.bits) == 0) return special.kind;
    return address_kind::global;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex_digit(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// Bits from `bits` on are zero.
bool is_prefix(const ip_address& address, unsigned bits) {
    for (unsigned i = bits; i < 128; ++i)
        if ((address.bytes[i / 8] >> (7 - i % 8) & 1U) != 0) return false;
    return true;
}

}  // namespace

ip_address ip_address::v4(std::uint32_t value) {
    ip_address out;
    std::ranges::copy(mapped_prefix, out.bytes.begin());
    for (unsigned i = 0; i < 4; ++i) out.bytes[12 + i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
    return out;
}

bool ip_address::is_v4() const { return std::equal(mapped_prefix.begin(), mapped_prefix.end(), bytes.begin()); }

std::uint32_t ip_address::to_v4() const { return quad(bytes[12], bytes[13], bytes[14], bytes[15]); }

std::string ip_address::to_string() const {
    char text[INET6_ADDRSTRLEN] = "";
    if (is_v4()) {
        inet_ntop(AF_INET, bytes.data() + 12, text, sizeof text);
    } else {
        inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
    }
    return text;
}

std::optional<ip_address> parse_ip_address(std::string_view text) {
    if (text.empty() || text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos)
        return std::nullopt;
    const std::string whole(text);
    ip_address out;
    if (inet_pton(AF_INET6, whole.c_str(), out.bytes.data()) == 1) return out;
    std::array<std::uint8_t, 4> four{};
    if (inet_pton(AF_INET, whole.c_str(), four.data()) != 1) return std::nullopt;
    return ip_address::v4(quad(four[0], four[1], four[2], four[3]));
}

bool looks_like_ipv4(std::string_view host) {
    if (host.ends_with('.')) host.remove_suffix(1);
    auto label = host.substr(host.rfind('.') + 1);
    if (label.empty()) return false;
    if (std::ranges::all_of(label, is_digit)) return true;
    if (label.size() < 2 || label[0] != '0' || (label[1] | 0x20) != 'x') return false;
    return std::ranges::all_of(label.substr(2), is_hex_digit);
}

bool ip_range::contains(const ip_address& address) const {
    for (unsigned i = 0; i < bits; i += 8) {
        const unsigned kept = std::min(8U, bits - i);
        if ((address.bytes[i / 8] ^ first.bytes[i / 8]) >> (8 - kept) != 0) return false;
    }
    return true;
}

std::optional<ip_range> parse_ip_range(std::string_view text) {
    const auto slash = text.find('/');
    const auto address = parse_ip_address(text.substr(0, slash));
    if (!address) return std::nullopt;
    ip_range out{*address, 128};
    if (slash == std::string_view::npos) return out;
    const auto digits = text.substr(slash + 1);
    if (digits.empty() || digits.size() > 3 || !std::ranges::all_of(digits, is_digit)) return std::nullopt;
    unsigned bits = 0;
    for (const char c : digits) bits = bits * 10 + static_cast<unsigned>(c - '0');
    // ::ffff:10.0.0.0/104 is an IPv6 range that happens to hold IPv4.
    const bool written_as_v4 = text.substr(0, slash).find(':') == std::string_view::npos;
    if (bits > (written_as_v4 ? 32U : 128U)) return std::nullopt;
    out.bits = written_as_v4 ? mapped_bits + bits : bits;
    if (!is_prefix(out.first, out.bits)) return std::nullopt;
    return out;
}

std::string_view to_string(address_kind kind) {
    switch (kind) {
        case address_kind::global: return "global";
        case address_kind::private_use: return "private";
        case address_kind::loopback: return "loopback";
        case address_kind::link_local: return "link-local";
        case address_kind::metadata: return "metadata";
        case address_kind::multicast: return "multicast";
        case address_kind::reserved: return "reserved";
    }
    return "";
}

address_kind kind_of(const ip_address& address) {
    if (address.is_v4()) return kind_of_ipv4(address.to_v4());
    static const ip_range translated = *parse_ip_range("64:ff9b::/96");
    if (translated.contains(address)) return kind_of_ipv4(address.to_v4());
    static const auto ranges = [] {
        std::array<ip_range, special_v6.size()> out;
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = *parse_ip_range(special_v6[i].range);
        return out;
    }();
    for (std::size_t i = 0; i < ranges.size(); ++i)
        if (ranges[i].contains(address)) return special_v6[i].kind;
    return address_kind::reserved;
}

}  // namespace runtime
