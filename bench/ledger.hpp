// What was posted and what came back, one line of JSON each, written at once: a file that outlives server and harness,
// against which `weir bench verify` holds a restarted server. It survives the death of both, not of the machine.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "bench/oracle.hpp"
#include "bench/workload.hpp"
#include "runtime/base/result.hpp"

namespace bench {

// Thread: any; each line is one write to a file that only grows.
class ledger {
  public:
    // Appends to the file; it may hold earlier lines of the same run only.
    static runtime::result<std::unique_ptr<ledger>> open(const std::string& path);
    ~ledger();
    ledger(const ledger&) = delete;
    ledger& operator=(const ledger&) = delete;

    void begin(const std::string& run_id, const std::string& server, bool keys, const workload& what);
    // Before the first byte of the post leaves.
    void posting(std::uint64_t number);
    void accepted(std::uint64_t number, std::string_view id);
    // A post that was refused binds nothing.
    void refused(std::uint64_t number);
    // Events were seen up to the checker's last one; with its end, if it has ended.
    void seen(std::uint64_t number, const event_checker& events);
    void ended(std::uint64_t number, std::string_view id, std::string_view status);

    // Lines that could not be written; the run then fails.
    [[nodiscard]] std::uint64_t failures() const { return failures_; }

  private:
    explicit ledger(int file) : file_(file) {}
    void write(const std::string& line);

    int file_;
    std::uint64_t failures_ = 0;
};

struct ledger_entry {
    std::string id;      // empty: never told
    std::string status;  // empty: no end was seen
    std::uint64_t last_event = 0;
    std::uint64_t digest = 0;
    bool refused = false;
};

struct ledger_content {
    std::string run_id;
    std::string server;
    bool keys = true;
    std::optional<workload> what;
    std::map<std::uint64_t, ledger_entry> entries;
    bool torn = false;  // the last line was not whole
    findings wrong;     // what contradicts itself in the file
};

// Nothing, and a sentence that names file and line, where it is no ledger.
std::optional<ledger_content> read_ledger(const std::string& path, std::string& mistake);

std::string key_of(const std::string& run_id, std::uint64_t number);

}  // namespace bench
