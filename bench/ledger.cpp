#include "bench/ledger.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <fstream>

#include "runtime/base/last_error.hpp"

namespace bench {
namespace {

// 64 bits do not fit the numbers of every JSON reader.
std::string hex_of(std::uint64_t what) {
    char text[20];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(what));
    return text;
}

void take_line(ledger_content& into, const json::value& line) {
    if (json::find(line, "ledger") != nullptr) {
        into.run_id = json::text_of(line, "run");
        into.server = json::text_of(line, "server");
        into.keys = json::flag_of(line, "keys");
        if (const auto* what = json::find(line, "workload"); what != nullptr) into.what = workload::from_json(*what);
        return;
    }
    auto& entry = into.entries[json::count_of(line, "n")];
    const std::string what = json::text_of(line, "what");
    if (what == "refused") entry.refused = true;
    if (what == "accepted" || what == "ended") {
        const std::string id = json::text_of(line, "id");
        if (!entry.id.empty() && entry.id != id)
            into.wrong.add(finding("key_gave_two", "number " + std::to_string(json::count_of(line, "n")) +
                                                       " was accepted as " + entry.id + " and as " + id));
        entry.id = id;
        entry.refused = false;
    }
    if (what == "seen") {
        entry.last_event = json::count_of(line, "last");
        const std::string digits = json::text_of(line, "digest");
        entry.digest = 0;
        std::from_chars(digits.data(), digits.data() + digits.size(), entry.digest, 16);
    }
    const std::string status = json::text_of(line, "status");
    if (!status.empty()) entry.status = status;
}

}  // namespace

std::string key_of(const std::string& run_id, std::uint64_t number) {
    return "bench-" + run_id + "-" + std::to_string(number);
}

runtime::result<std::unique_ptr<ledger>> ledger::open(const std::string& path) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0) return runtime::last_error();
    return std::unique_ptr<ledger>(new ledger(file));
}

ledger::~ledger() { ::close(file_); }

void ledger::write(const std::string& line) {
    const std::string whole = line + "\n";
    if (::write(file_, whole.data(), whole.size()) != static_cast<ssize_t>(whole.size())) ++failures_;
}

void ledger::begin(const std::string& run_id, const std::string& server, bool keys, const workload& what) {
    json::object line;
    line["ledger"] = 1;
    line["run"] = run_id;
    line["server"] = server;
    line["keys"] = keys;
    line["workload"] = what.to_json();
    write(json::compact(line));
}

void ledger::posting(std::uint64_t number) { write("{\"n\":" + std::to_string(number) + ",\"what\":\"posting\"}"); }

void ledger::refused(std::uint64_t number) { write("{\"n\":" + std::to_string(number) + ",\"what\":\"refused\"}"); }

void ledger::accepted(std::uint64_t number, std::string_view id) {
    write("{\"n\":" + std::to_string(number) + ",\"what\":\"accepted\",\"id\":" + json::quoted(id) + "}");
}

void ledger::seen(std::uint64_t number, const event_checker& events) {
    write("{\"n\":" + std::to_string(number) + ",\"what\":\"seen\",\"last\":" + std::to_string(events.last()) +
          ",\"digest\":\"" + hex_of(events.digest()) + "\",\"status\":" + json::quoted(events.status()) + "}");
}

void ledger::ended(std::uint64_t number, std::string_view id, std::string_view status) {
    write("{\"n\":" + std::to_string(number) + ",\"what\":\"ended\",\"id\":" + json::quoted(id) +
          ",\"status\":" + json::quoted(status) + "}");
}

std::optional<ledger_content> read_ledger(const std::string& path, std::string& mistake) {
    std::ifstream file(path);
    if (!file) {
        mistake = path + ": cannot be read";
        return std::nullopt;
    }
    ledger_content out;
    std::string text;
    for (std::size_t number = 1; std::getline(file, text); ++number) {
        const auto line = json::parse(text);
        if (!line && file.eof()) {
            // The harness died while it wrote.
            out.torn = true;
            break;
        }
        const bool is_first = number == 1;
        if (!line || (is_first && json::count_of(*line, "ledger") != 1)) {
            mistake = path + ":" + std::to_string(number) + ": " +
                      (is_first ? "this is no ledger of weir bench" : "this line is not valid JSON");
            return std::nullopt;
        }
        take_line(out, *line);
    }
    if (!out.what) {
        mistake = path + ": it is empty";
        return std::nullopt;
    }
    return out;
}

}  // namespace bench
