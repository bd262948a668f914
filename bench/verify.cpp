#include "bench/verify.hpp"

#include "bench/calls.hpp"
#include "bench/progress.hpp"
#include "bench/server_watch.hpp"
#include "runtime/gate.hpp"
#include "runtime/spawn.hpp"
#include "runtime/timer.hpp"

namespace bench {
namespace {

using runtime::milliseconds;
using runtime::steady_time;
using runtime::task;

constexpr std::uint64_t readers_max = 64;

// What its readers share; lives on the verifier's frame.
struct verifier {
    runtime::shard& home;
    const ledger_content& what;
    const load_options& options;
    http::client::url server;
    calls asking;
    steady_time end_by;
    std::map<std::uint64_t, ledger_entry>::const_iterator next;
    verification out;

    verifier(runtime::shard& h, const ledger_content& w, const load_options& o, http::client::url s)
        : home(h),
          what(w),
          options(o),
          server(s),
          asking(h, std::move(s), std::min(o.connections_max, readers_max)),
          end_by(h.time().steady() + o.drain),
          next(w.entries.begin()) {}

    // The time that is allowed runs anew with each answer: it bounds a stand-still, not a long ledger.
    void made_progress() { end_by = home.time().steady() + options.drain; }
    void wrong(std::string kind, std::string text) {
        out.measured.wrong.add(finding(std::move(kind), std::move(text)));
    }
    task<void> read_some();
    task<void> check(std::uint64_t number, ledger_entry entry);
    task<std::string> id_by_key(std::uint64_t number, ledger_entry entry);
    void compare(const ledger_entry& entry, const event_checker& checker);
    task<void> check_result_of(std::uint64_t number, std::string id, const event_checker* checker);
};

task<void> verifier::read_some() {
    while (next != what.entries.end()) {
        const auto& [number, entry] = *next++;
        if (entry.refused && entry.id.empty()) {
            ++out.refused;
            continue;
        }
        co_await check(number, entry);
    }
}

// The id that the key gives now. Posting again is what a client does that does not know; empty when it failed.
task<std::string> verifier::id_by_key(std::uint64_t number, ledger_entry entry) {
    const auto limit = home.time().steady() + options.timeout;
    const auto posted = co_await asking.post(what.what->body_of(number), key_of(what.run_id, number), 0, limit);
    ++out.reposted;
    const std::string who = "number " + std::to_string(number);
    if (!posted.accepted()) {
        out.measured.error("post." + posted.call.kind());
        co_return std::string();
    }
    made_progress();
    if (!entry.id.empty() && posted.id != entry.id)
        wrong("key_gave_two", who + ": its key gave " + entry.id + " and gives " + posted.id + " now");
    if (!entry.id.empty() && posted.id == entry.id && !posted.replayed)
        wrong("replay_unmarked", who + ": a repeated post was answered without Idempotent-Replayed: true");
    co_return posted.id;
}

void verifier::compare(const ledger_entry& entry, const event_checker& checker) {
    const std::string who = "execution " + entry.id;
    if (entry.last_event > checker.last()) {
        wrong("event_lost", who + ": event " + std::to_string(entry.last_event) +
                                " was seen, and now the last one is " + std::to_string(checker.last()));
        return;
    }
    if (entry.last_event > 0 && checker.marked_digest() != entry.digest)
        wrong("event_changed",
              who + ": the first " + std::to_string(entry.last_event) + " events are not those that were seen");
    if (!entry.status.empty() && checker.ended() && checker.status() != entry.status)
        wrong("result_differs", who + ": it had ended as " + entry.status + ", and now as " + checker.status());
}

task<void> verifier::check(std::uint64_t number, ledger_entry entry) {
    if (entry.id.empty()) {
        ++out.undecided;
    } else {
        ++out.known;
    }
    std::string id = entry.id;
    if (options.repost || id.empty()) {
        const std::string given = co_await id_by_key(number, entry);
        if (id.empty()) id = given;
    }
    if (id.empty()) co_return;
    event_checker checker(id, out.measured.wrong);
    checker.mark(entry.last_event);
    while (true) {
        follow_options follow_to;
        follow_to.deadline = end_by;
        const auto seen = co_await follow(home, server, id, checker, out.measured.wrong, follow_to);
        if (seen.events > 0) made_progress();
        if (seen.end == follow_end::gone) wrong("lost", "execution " + id + ": it was accepted, and is unknown now");
        if (seen.end == follow_end::gone || seen.end == follow_end::ended) break;
        // Others may have moved on while this one waited.
        if (seen.events > 0 || home.time().steady() < end_by) continue;
        if (seen.end == follow_end::lost) {
            out.measured.error("stream.unreachable");
        } else {
            wrong("never_ended",
                  "execution " + id + ": it has not ended, and nothing did for " + to_text(options.drain));
        }
        break;
    }
    compare(entry, checker);
    if (!checker.ended()) co_return;
    ++out.ended;
    ++out.measured.ends[checker.status()];
    co_await check_result_of(number, id, &checker);
}

task<void> verifier::check_result_of(std::uint64_t number, std::string id, const event_checker* checker) {
    const auto got = co_await asking.result_of(id, home.time().steady() + options.timeout);
    const auto result = got.status == 200 ? parse_result(got.answer.body) : std::nullopt;
    if (got.status == 0) {
        out.measured.error("result." + got.kind());
    } else if (!result) {
        wrong("result_missing", "execution " + id + ": ended, but its result is answered with " + got.kind());
    } else {
        made_progress();
        // An attempt that was cut off by the kill may have been the last one that the retry policy allows.
        const bool cut_off = result->status == "failed" && what.what->expected_status() != "failed";
        if (cut_off && got.answer.body.find("\"error_type\":\"infrastructure\"") != std::string::npos) co_return;
        check_result(*result, id, number, *what.what, checker, out.measured.wrong);
    }
}

}  // namespace

task<verification> verify_ledger(const ledger_content& what, const load_options& options, http::client::url server) {
    auto& home = runtime::shard::here();
    verifier self(home, what, options, server);
    server_watch asked(home, std::move(server), 0);
    const std::string described = co_await asked.describe();
    if (described.empty()) {
        self.out.reached = false;
        co_return std::move(self.out);
    }
    self.out.measured.wrong.merge(what.wrong);
    self.made_progress();
    runtime::gate reading(home);
    for (std::uint64_t i = 0; i < std::min(options.connections_max, readers_max); ++i)
        runtime::spawn(reading, home, self.read_some());
    co_await reading.close();
    co_return std::move(self.out);
}

json::value to_json(const verification& what, const ledger_content& of) {
    json::object out;
    out["format"] = "weir-bench-verification";
    out["format_version"] = 1;
    out["run_id"] = of.run_id;
    out["verdict"] = what.measured.wrong.total() > 0 ? "wrong" : what.good() ? "ok" : "failed";
    out["accepted"] = what.known;
    out["undecided"] = what.undecided;
    out["refused"] = what.refused;
    out["ended"] = what.ended;
    out["reposted"] = what.reposted;
    out["torn_last_line"] = of.torn;
    out["ends"] = json::counts(what.measured.ends);
    out["errors"] = json::counts(what.measured.errors);
    out["findings"] = json::counts(what.measured.wrong.counts());
    out["examples"] = json::texts(what.measured.wrong.examples());
    return out;
}

std::string summary_of(const verification& what, const ledger_content& of) {
    std::string out = "weir bench verify, run " + of.run_id + "\n  " + grouped(what.known) + " accepted, " +
                      grouped(what.undecided) + " undecided, " + grouped(what.refused) + " refused by the ledger\n  " +
                      grouped(what.ended) + " have ended";
    for (const auto& [status, count] : what.measured.ends) out += ", " + status + " " + grouped(count);
    out += "; " + grouped(what.reposted) + " keys posted again\n";
    if (of.torn) out += "  note: the last line of the ledger is not whole, as a harness leaves it that is killed\n";
    for (const auto& [kind, count] : what.measured.errors) out += "  error: " + kind + " " + grouped(count) + "\n";
    for (const auto& [kind, count] : what.measured.wrong.counts()) out += "  " + kind + " " + grouped(count) + "\n";
    for (const auto& one : what.measured.wrong.examples()) out += "    " + one + "\n";
    return out + (what.measured.wrong.total() > 0 ? "WRONG\n" : what.good() ? "OK\n" : "FAILED\n");
}

}  // namespace bench
