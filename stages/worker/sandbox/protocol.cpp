#include "stages/worker/sandbox/protocol.hpp"

#include <concepts>
#include <type_traits>

namespace stages::worker::sandbox {
namespace {

constexpr char magic_first = 'W';
constexpr char magic_second = 'B';

class writer {
  public:
    explicit writer(std::size_t type) {
        bytes_.push_back(magic_first);
        bytes_.push_back(magic_second);
        bytes_.push_back(static_cast<char>(protocol_version));
        bytes_.push_back(static_cast<char>(type));
    }

    template <class T>
        requires(std::integral<T> || std::is_enum_v<T>)
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
        field(static_cast<std::uint8_t>(value.has_value()));
        field(value.value_or(T{}));
    }
    void field(const std::vector<std::string>& values) {
        field(static_cast<std::uint32_t>(values.size()));
        for (const auto& value : values) field(value);
    }
    void field(const box_file& v) { fields(v.path, v.executable, v.source, v.offset, v.bytes); }
    void field(const std::vector<box_file>& values) {
        field(static_cast<std::uint32_t>(values.size()));
        for (const auto& value : values) field(value);
    }
    void field(const hook_file& v) { fields(v.folder, v.name, v.text); }
    void field(const std::vector<hook_file>& values) {
        field(static_cast<std::uint32_t>(values.size()));
        for (const auto& value : values) field(value);
    }
    void field(const launcher_options& v) {
        fields(v.group_name, v.first_uid, v.boxes_max, v.etc, v.pool_max, v.hooks, v.highest_rung, v.leftover_cpu);
    }
    void field(const terminal_dimensions& v) { fields(v.rows, v.columns); }
    void field(const box_limits& v) { fields(v.wall_ms, v.cpu_ms, v.memory_bytes, v.processes, v.disk_bytes); }

    template <class... T>
    void fields(const T&... values) {
        (field(values), ...);
    }
    std::string take() { return std::move(bytes_); }

  private:
    std::string bytes_;
};

class reader {
  public:
    explicit reader(std::string_view bytes) : rest_(bytes) {}

    template <class T>
        requires(std::integral<T> || std::is_enum_v<T>)
    void field(T& value) {
        if (rest_.size() < sizeof(T)) {
            good_ = false;
            return;
        }
        std::uint64_t read = 0;
        for (std::size_t i = sizeof(T); i-- > 0;) read = read << 8 | static_cast<std::uint8_t>(rest_[i]);
        rest_.remove_prefix(sizeof(T));
        if constexpr (std::is_same_v<T, bool>) {
            good_ = good_ && read <= 1;
            value = read == 1;
        } else {
            value = static_cast<T>(read);
        }
    }
    void field(std::string& value) {
        std::uint32_t length = 0;
        field(length);
        if (!good_ || length > rest_.size()) {
            good_ = false;
            return;
        }
        value.assign(rest_.substr(0, length));
        rest_.remove_prefix(length);
    }
    template <class T>
    void field(std::optional<T>& value) {
        bool present = false;
        T read{};
        fields(present, read);
        if (good_ && present) value = read;
    }
    void field(std::vector<std::string>& values) {
        std::uint32_t count = 0;
        field(count);
        if (count > std::max(arguments_max, environment_max)) good_ = false;
        for (std::uint32_t i = 0; good_ && i < count; ++i) field(values.emplace_back());
    }
    void field(box_file& v) { fields(v.path, v.executable, v.source, v.offset, v.bytes); }
    void field(std::vector<box_file>& values) {
        std::uint32_t count = 0;
        field(count);
        if (count > box_files_max) good_ = false;
        for (std::uint32_t i = 0; good_ && i < count; ++i) field(values.emplace_back());
    }
    void field(hook_file& v) { fields(v.folder, v.name, v.text); }
    void field(std::vector<hook_file>& values) {
        std::uint32_t count = 0;
        field(count);
        if (count > hook_files_max) good_ = false;
        for (std::uint32_t i = 0; good_ && i < count; ++i) field(values.emplace_back());
    }
    void field(launcher_options& v) {
        fields(v.group_name, v.first_uid, v.boxes_max, v.etc, v.pool_max, v.hooks, v.highest_rung, v.leftover_cpu);
    }
    void field(terminal_dimensions& v) { fields(v.rows, v.columns); }
    void field(box_limits& v) { fields(v.wall_ms, v.cpu_ms, v.memory_bytes, v.processes, v.disk_bytes); }

    template <class... T>
    void fields(T&... values) {
        (field(values), ...);
    }
    // All fields were there, and nothing else.
    [[nodiscard]] bool complete() const { return good_ && rest_.empty(); }

  private:
    std::string_view rest_;
    bool good_ = true;
};

// The fields of each packet, once for both directions: `Codec` is a writer with a constant packet or a reader.
template <class Codec, class Packet>
void describe(Codec& codec, Packet& p) {
    using kind = std::remove_const_t<Packet>;
    if constexpr (std::is_same_v<kind, launch_packet>) {
        codec.fields(p.run, p.limits, p.executable, p.arguments, p.environment, p.file_name, p.file_bytes, p.files,
                     p.keep_disk, p.terminal, p.network, p.warm, p.own_arguments, p.start);
    } else if constexpr (std::is_same_v<kind, kill_packet>) {
        codec.fields(p.run, p.why);
    } else if constexpr (std::is_same_v<kind, signal_packet>) {
        codec.fields(p.run, p.number);
    } else if constexpr (std::is_same_v<kind, started_packet>) {
        codec.fields(p.run, p.start);
    } else if constexpr (std::is_same_v<kind, ended_packet>) {
        codec.fields(p.run, p.how, p.code, p.killed_for, p.process_limit_hit, p.disk_limit_hit, p.wall_us, p.cpu_us,
                     p.peak_memory_bytes, p.peak_processes, p.message);
    } else if constexpr (std::is_same_v<kind, broker_here_packet>) {
        codec.fields(p.process, p.message);
    } else if constexpr (std::is_same_v<kind, report_packet>) {
        codec.fields(p.rung, p.problem, p.missing);
    } else if constexpr (std::is_same_v<kind, warm_packet>) {
        codec.fields(p.number, p.name, p.kind, p.executable, p.arguments, p.environment);
    } else if constexpr (std::is_same_v<kind, park_packet>) {
        codec.fields(p.executable, p.arguments, p.environment);
    } else if constexpr (std::is_same_v<kind, pool_packet>) {
        codec.fields(p.number, p.ready, p.wanted, p.taken, p.missed, p.ended, p.failed, p.zygotes, p.kept_networks,
                     p.kept_groups, p.networks_reused, p.groups_reused, p.problem);
    } else if constexpr (std::is_same_v<kind, launcher_packet>) {
        codec.fields(p.options, p.server, p.channels);
    } else {
        static_assert(std::is_same_v<kind, broker_wanted_packet>);
    }
}

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
        describe(from, value);
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
    std::visit([&to](const auto& p) { describe(to, p); }, what);
    return to.take();
}

std::optional<packet> decode(std::string_view bytes) {
    if (bytes.size() < 4 || bytes.size() > packet_bytes_max) return std::nullopt;
    if (bytes[0] != magic_first || bytes[1] != magic_second) return std::nullopt;
    if (static_cast<std::uint8_t>(bytes[2]) != protocol_version) return std::nullopt;
    return decode_as(static_cast<std::uint8_t>(bytes[3]), bytes.substr(4));
}

}  // namespace stages::worker::sandbox
