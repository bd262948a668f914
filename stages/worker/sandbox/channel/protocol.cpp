#include "stages/worker/sandbox/channel/protocol.hpp"

#include <algorithm>
#include <boost/pfr.hpp>
#include <concepts>
#include <type_traits>

namespace stages::worker::sandbox {
namespace {

constexpr char magic_first = 'W';
constexpr char magic_second = 'B';

// How many of a list a packet may have.
template <class T>
constexpr std::size_t most_of = std::max(arguments_max, environment_max);
template <>
constexpr std::size_t most_of<box_file> = box_files_max;
template <>
constexpr std::size_t most_of<warm_file> = warm_files_max;

template <class T>
concept number = std::integral<T> || std::is_enum_v<T>;

// A packet's fields travel in the order in which they are declared, without their names.
class writer {
  public:
    explicit writer(std::size_t type) {
        bytes_ = {magic_first, magic_second, static_cast<char>(protocol_version), static_cast<char>(type)};
    }

    template <class T>
    void field(const T& fields) {
        boost::pfr::for_each_field(fields, [this](const auto& each) { this->field(each); });
    }
    template <number T>
    void field(const T& value) {
        auto rest = static_cast<std::uint64_t>(value);
        for (std::size_t i = 0; i < sizeof(T); ++i, rest >>= 8) bytes_.push_back(static_cast<char>(rest & 0xff));
    }
    void field(const std::string& value) {
        field(static_cast<std::uint32_t>(value.size()));
        bytes_ += value;
    }
    template <class T>
    void field(const std::optional<T>& value) {
        field(value.has_value());
        field(value.value_or(T{}));
    }
    template <class T>
    void field(const std::vector<T>& values) {
        field(static_cast<std::uint32_t>(values.size()));
        for (const auto& value : values) field(value);
    }
    std::string take() { return std::move(bytes_); }

  private:
    std::string bytes_;
};

class reader {
  public:
    explicit reader(std::string_view bytes) : rest_(bytes) {}

    template <class T>
    void field(T& fields) {
        boost::pfr::for_each_field(fields, [this](auto& each) { this->field(each); });
    }
    template <number T>
    void field(T& value) {
        std::uint64_t read = 0;
        const auto bytes = take(sizeof(T));
        for (std::size_t i = bytes.size(); i-- > 0;) read = read << 8 | static_cast<std::uint8_t>(bytes[i]);
        if (std::is_same_v<T, bool> && read > 1) good_ = false;
        value = static_cast<T>(read);
    }
    void field(std::string& value) {
        std::uint32_t length = 0;
        field(length);
        value = take(length);
    }
    template <class T>
    void field(std::optional<T>& value) {
        bool present = false;
        T read{};
        field(present);
        field(read);
        if (present) value = read;
    }
    template <class T>
    void field(std::vector<T>& values) {
        std::uint32_t count = 0;
        field(count);
        if (count > most_of<T>) good_ = false;
        for (std::uint32_t i = 0; good_ && i < count; ++i) field(values.emplace_back());
    }
    // All fields were there, and nothing else.
    [[nodiscard]] bool complete() const { return good_ && rest_.empty(); }

  private:
    // Nothing once something was missing.
    std::string_view take(std::size_t bytes) {
        good_ = good_ && bytes <= rest_.size();
        const auto taken = rest_.substr(0, good_ ? bytes : 0);
        rest_.remove_prefix(taken.size());
        return taken;
    }

    std::string_view rest_;
    bool good_ = true;
};

bool has_nul(const std::vector<std::string>& values) {
    for (const auto& value : values)
        if (value.find('\0') != std::string::npos) return true;
    return false;
}

bool sensible(const std::vector<box_file>& files) {
    std::uint64_t all = 0;
    for (const auto& file : files) {
        if (!is_box_path(file.path) || file.source >= box_file_sources_max) return false;
        if (file.bytes > box_files_bytes_max || file.offset > box_files_bytes_max) return false;
        all += file.bytes;
    }
    return all <= box_files_bytes_max;
}

template <class P>
bool is_command(const P& p) {
    return !p.executable.empty() && p.executable.front() == '/' && p.executable.find('\0') == std::string::npos &&
           !p.arguments.empty() && !has_nul(p.arguments) && !has_nul(p.environment);
}

// What a well-formed packet must also be, so that nobody behind the decoder has to ask again.
bool sensible(const launch_packet& p) {
    const box_limits& l = p.limits;
    if (l.wall_ms == 0 || l.cpu_ms == 0 || l.memory_bytes == 0 || l.processes == 0 || l.disk_bytes == 0) return false;
    if (!is_command(p) || !sensible(p.files)) return false;
    if (p.warm > warm_runtimes_max || p.own_arguments > p.arguments.size() || p.start > start_kind::parked)
        return false;
    if ((p.terminal.rows == 0) != (p.terminal.columns == 0)) return false;
    const std::string& name = p.file_name;
    return name.size() <= 255 && name != "." && name != ".." && name.find('/') == std::string::npos &&
           name.find('\0') == std::string::npos;
}
bool sensible(const signal_packet& p) { return p.number >= 1 && p.number < 32; }
bool sensible(const warm_packet& p) {
    return p.number > 0 && p.number <= warm_runtimes_max && is_command(p) &&
           (p.kind == start_kind::zygote || p.kind == start_kind::parked);
}
bool sensible(const park_packet& p) { return p.executable.empty() || is_command(p); }
bool sensible(const started_packet& p) { return p.start <= start_kind::parked; }
bool sensible(const launcher_packet& p) {
    return p.options.highest_rung <= rung::rlimit && p.options.boxes_max > 0 && p.server > 0 &&
           p.channels <= channels_max;
}
bool sensible(const kill_packet& p) { return p.why <= kill_reason::output; }
bool sensible(const ended_packet& p) { return p.how <= box_end::failed && p.killed_for <= kill_reason::output; }
template <class P>
bool sensible(const P&) {
    return true;
}

template <std::size_t I = 0>
std::optional<packet> decode_as(std::size_t type, std::string_view body) {
    if constexpr (I == std::variant_size_v<packet>) {
        return std::nullopt;
    } else {
        if (type != I) return decode_as<I + 1>(type, body);
        std::variant_alternative_t<I, packet> value;
        reader from(body);
        from.field(value);
        if (!from.complete() || !sensible(value)) return std::nullopt;
        return packet(std::move(value));
    }
}

}  // namespace

bool is_box_path(std::string_view path) {
    if (path.empty() || path.size() > box_file_path_max || path.find('\0') != std::string_view::npos) return false;
    std::size_t depth = 0;
    for (;;) {
        const auto slash = path.find('/');
        const auto name = path.substr(0, slash);
        if (name.empty() || name == "." || name == ".." || ++depth > box_file_depth_max) return false;
        if (slash == std::string_view::npos) return true;
        path.remove_prefix(slash + 1);
    }
}

std::string encode(const packet& what) {
    writer to(what.index());
    std::visit([&to](const auto& p) { to.field(p); }, what);
    return to.take();
}

std::optional<packet> decode(std::string_view bytes) {
    if (bytes.size() < 4 || bytes.size() > packet_bytes_max) return std::nullopt;
    if (bytes[0] != magic_first || bytes[1] != magic_second) return std::nullopt;
    if (static_cast<std::uint8_t>(bytes[2]) != protocol_version) return std::nullopt;
    return decode_as(static_cast<std::uint8_t>(bytes[3]), bytes.substr(4));
}

}  // namespace stages::worker::sandbox
