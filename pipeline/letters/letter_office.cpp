#include "pipeline/letters/letter_office.hpp"

#include <algorithm>

#include "pipeline/records.hpp"
#include "runtime/base/assert.hpp"
#include "runtime/base/marks.hpp"
#include "runtime/base/planted_bug.hpp"
#include "runtime/spawn.hpp"

namespace pipeline::letters {

using runtime::planted;
using runtime::planted_bug;
using runtime::result;
using runtime::task;
using storage::offset;

namespace {

class letter_category final : public boost::system::error_category {
  public:
    [[nodiscard]] const char* name() const noexcept override { return "weir.letters"; }
    [[nodiscard]] std::string message(int value) const override {
        switch (static_cast<letter_errc>(value)) {
            case letter_errc::outbox_full: return "too many letters are not delivered yet";
            case letter_errc::body_too_large: return "the letter is too large";
            case letter_errc::stopped: return "the shard stops";
        }
        return "unknown";
    }
};

storage::record_header header_for(partition_id partition, std::uint16_t type) {
    storage::record_header header;
    header.type = type;
    header.format = record_format;
    header.entity_kind = entity_kind_partition;
    header.partition = partition;
    return header;
}

}  // namespace

boost::system::error_code make_error_code(letter_errc e) {
    static const letter_category category;
    return {static_cast<int>(e), category};
}

letter_office::letter_office(runtime::shard& home, journal& journal, letter_limits limits)
    : home_(home),
      journal_(journal),
      limits_(limits),
      books_(std::size_t{1} << journal.partition_bits()),
      held_(books_.size()),
      written_(home),
      progress_(home),
      sent_total_(home.metrics().make_counter("weir_letters_sent_total", "Letters written to other partitions.")),
      taken_total_(home.metrics().make_counter("weir_letters_taken_total", "Letters taken from other partitions.")),
      known_total_(home.metrics().make_counter("weir_letters_known_total", "Letters dropped: their key was known.")),
      early_total_(home.metrics().make_counter("weir_letters_early_total",
                                               "Letters left out: one before them in their lane was missing.")),
      repeated_total_(home.metrics().make_counter("weir_letters_repeated_total",
                                                  "Parcels that brought nothing and were carried again.")),
      gate_(home) {
    for (const auto* limit : {"letters.outbox_max", "letters.body_bytes_max"}) home.metrics().declare_limit(limit);
    auto& waiting = home.metrics().make_gauge("weir_letters_waiting", "Letters that are not delivered yet.");
    gauges_ = home.metrics().on_collect([this, &waiting] { waiting.set(static_cast<double>(waiting_)); });
}

letter_book& letter_office::book(partition_id partition) {
    auto& mine = books_[partition.value];
    if (!mine) mine = std::make_unique<letter_book>();
    return *mine;
}

bool letter_office::is_mine(partition_id partition) const {
    return partition.value < books_.size() && journal_.is_open(partition);
}

result<storage::record_header> letter_office::append(partition_id partition, std::uint16_t type,
                                                     const std::string& payload) {
    auto stored = journal_.append(header_for(partition, type), payload);
    if (stored && held_[partition.value].from == 0) {
        hold_from(partition, stored->at, stored->time);
        journal_.pin(partition, stored->at);
    }
    return stored;
}

void letter_office::note_sent(partition_id from, const letter& what, offset at) {
    if (book(from).sent(receiver_of(what.what), what, at)) ++waiting_;
}

void letter_office::note_delivered(partition_id from, const std::vector<delivered_lane>& lanes) {
    for (const auto& lane : lanes) waiting_ -= book(from).delivered(lane.to, lane.through);
}

result<std::uint64_t> letter_office::send(partition_id from, letter_draft what) {
    if (waiting_ >= limits_.outbox_max) {
        home_.metrics().limit_reached("letters.outbox_max");
        return letter_errc::outbox_full;
    }
    if (what.body.size() > limits_.body_bytes_max) {
        home_.metrics().limit_reached("letters.body_bytes_max");
        return letter_errc::body_too_large;
    }
    const auto to = receiver_of(what);
    const letter whole{book(from).next_number(to), std::move(what)};
    const auto stored = append(from, static_cast<std::uint16_t>(record_type::letter_sent), encode(whole));
    if (!stored) return stored.error();
    note_sent(from, whole, stored->at);
    sent_total_.add();
    written_.notify_all();
    return whole.number;
}

task<result<void>> letter_office::delivered(partition_id from, partition_id to, std::uint64_t number) {
    while (book(from).delivered_through(to) < number) {
        if (stop_.stop_requested()) co_return letter_errc::stopped;
        co_await progress_.wait();
    }
    co_return result<void>();
}

// Recovery.

bool letter_office::recover_received(const storage::record_view& record) {
    const auto received = decode_letter_received(record.payload);
    if (!received) return false;
    const auto mine = record.header.partition;
    book(mine).received(received->from, received->what.number, record.header.at);
    for (const auto& answer : received->answers) note_sent(mine, answer, record.header.at);
    const auto reader = readers_.find(received->what.what.kind);
    if (reader == readers_.end()) return true;
    const arrival in{received->from, mine, received->what, received->at};
    reader->second->fold(in, false);
    return true;
}

bool letter_office::recover_delivered(const storage::record_view& record) {
    const auto lanes = decode_letters_delivered(record.payload);
    if (lanes) note_delivered(record.header.partition, *lanes);
    return lanes.has_value();
}

bool letter_office::recover_lanes(const storage::record_view& record) {
    const auto lanes = decode_letter_lanes(record.payload);
    if (lanes) waiting_ -= book(record.header.partition).assume(*lanes);
    return lanes.has_value();
}

bool letter_office::recover(const storage::record_view& record) {
    const auto partition = record.header.partition;
    if (partition.value >= books_.size()) return false;
    if (held_[partition.value].from == 0) hold_from(partition, record.header.at, record.header.time);
    switch (static_cast<record_type>(record.header.type)) {
        case record_type::letter_sent: {
            const auto sent = decode_letter_sent(record.payload);
            if (sent) note_sent(partition, *sent, record.header.at);
            return sent.has_value();
        }
        case record_type::letter_received: return recover_received(record);
        case record_type::letters_delivered: return recover_delivered(record);
        case record_type::letter_lanes: return recover_lanes(record);
        default: return false;
    }
}

void letter_office::start(letter_carrier& carrier) {
    carrier_ = &carrier;
    for (const auto partition : journal_.partitions())
        if (const auto from = held_[partition.value].from; from != 0) journal_.pin(partition, from);
    for (std::size_t i = 0; i < carrier.destinations(); ++i) runtime::spawn(gate_, home_, deliver_to(i));
}

task<void> letter_office::stop() {
    stop_.request_stop();
    written_.notify_all();
    progress_.notify_all();
    co_await gate_.close();
}

// The receiver's side.

// False when the letter cannot be taken now.
bool letter_office::take(const lane_letters& lane, const letter& what) {
    const auto known = book(lane.to).received_through(lane.from);
    if (what.number <= known && !planted(planted_bug::letter_taken_twice)) {
        WEIR_SOMETIMES(true, "a letter whose key is known was dropped");
        known_total_.add();
        return true;
    }
    if (what.number > known + 1 && !planted(planted_bug::letter_order_forgotten)) {
        WEIR_SOMETIMES(true, "a letter was left out since one before it is missing");
        early_total_.add();
        return false;
    }
    const auto reader = readers_.find(what.what.kind);
    if (reader == readers_.end()) return false;
    const arrival in{lane.from, lane.to, what, home_.time().utc()};
    letter_received_record record{lane.from, what, in.at, {}};
    std::map<partition_id, std::uint64_t> next;
    for (auto& draft : reader->second->answer(in)) {
        const auto to = receiver_of(draft);
        const auto number = std::max(next[to], book(lane.to).next_number(to));
        next[to] = number + 1;
        record.answers.push_back({number, std::move(draft)});
    }
    const auto stored = append(lane.to, static_cast<std::uint16_t>(record_type::letter_received), encode(record));
    if (!stored) return false;
    book(lane.to).received(lane.from, what.number, stored->at);
    for (const auto& answer : record.answers) note_sent(lane.to, answer, stored->at);
    if (!record.answers.empty()) written_.notify_all();
    sent_total_.add(record.answers.size());
    taken_total_.add();
    reader->second->fold(in, true);
    return true;
}

task<std::vector<receipt>> letter_office::receive(parcel what) {
    struct taken_lane {
        receipt receipt;
        offset at;
    };
    std::vector<taken_lane> taken;
    for (const auto& lane : what) {
        WEIR_SOMETIMES(!is_mine(lane.to), "a letter came to a partition that is not open");
        if (!is_mine(lane.to)) continue;  // not open yet, or not here
        for (const auto& one : lane.letters)
            if (!take(lane, one)) break;
        const auto& mine = book(lane.to);
        const receipt upto{lane.from, lane.to, mine.received_through(lane.from)};
        taken.push_back({upto, mine.received_at(lane.from)});
    }
    std::vector<receipt> out;
    for (const auto& lane : taken) {
        // Also for a key that was known: the record that names it may not be durable yet.
        const bool early = planted(planted_bug::letter_acknowledged_early);
        result<void> durable;
        if (!early) durable = co_await journal_.durable(lane.receipt.to, lane.at);
        if (durable) out.push_back(lane.receipt);
    }
    co_return out;
}

// The sender's side: one courier for each destination, with one parcel on its way at a time.

struct letter_office::gathered {
    struct lane {
        partition_id from;
        partition_id to;
        std::uint64_t through;
        offset at;
    };
    parcel letters;
    std::vector<lane> lanes;
};

letter_office::gathered letter_office::gather(std::size_t destination) const {
    gathered out;
    std::size_t count = 0;
    for (const auto from : journal_.partitions()) {
        const auto* const book = book_of(from);
        if (book == nullptr) continue;
        for (const auto& [to, waiting] : book->undelivered()) {
            if (carrier_->destination_of(to) != destination) continue;
            lane_letters lane{from, to, {}};
            offset last = 0;
            for (const auto& one : waiting) {
                if (count == limits_.parcel_letters_max) break;
                lane.letters.push_back(one.what);
                last = one.at;
                ++count;
            }
            if (lane.letters.empty()) return out;
            out.lanes.push_back({from, to, lane.letters.back().number, last});
            out.letters.push_back(std::move(lane));
        }
    }
    return out;
}

// False when the log is closed to us or the shard stops.
task<bool> letter_office::until_durable(partition_id partition, offset at) {
    while (!journal_.is_durable(partition, at)) {
        if (stop_.stop_requested()) co_return false;
        const auto soon = home_.time().steady() + runtime::seconds(1);
        const auto waited = co_await journal_.durable_until(partition, at, soon);
        if (waited) continue;
        if (waited.error() != storage::log_errc::no_space) co_return false;
        co_await runtime::sleep_for(limits_.pause_max, stop_.get_token());
    }
    co_return true;
}

// Records what was delivered. False when that was nothing.
bool letter_office::settle(const gathered& carried, const std::vector<receipt>& receipts) {
    std::map<partition_id, std::vector<delivered_lane>> news;
    for (const auto& lane : carried.lanes) {
        const auto same = [&lane](const receipt& r) { return r.from == lane.from && r.to == lane.to; };
        const auto found = std::find_if(receipts.begin(), receipts.end(), same);
        std::uint64_t through = found == receipts.end() ? 0 : std::min(found->through, lane.through);
        if (planted(planted_bug::letter_sent_once)) through = lane.through;
        if (through > book(lane.from).delivered_through(lane.to)) news[lane.from].push_back({lane.to, through});
    }
    bool progress = false;
    for (const auto& [from, lanes] : news) {
        // Without room the letters are carried again, and their receiver knows them.
        if (!append(from, static_cast<std::uint16_t>(record_type::letters_delivered), encode(lanes))) continue;
        note_delivered(from, lanes);
        progress = true;
    }
    if (progress) progress_.notify_all();
    return progress;
}

task<void> letter_office::deliver_to(std::size_t destination) {
    auto pause = limits_.pause_first;
    while (!stop_.stop_requested()) {
        auto next = gather(destination);
        if (next.lanes.empty()) {
            co_await written_.wait();
            continue;
        }
        for (const auto& lane : next.lanes) {
            const bool durable = co_await until_durable(lane.from, lane.at);
            if (!durable) co_return;
        }
        const auto receipts = co_await carrier_->carry(destination, std::move(next.letters));
        if (settle(next, receipts)) {
            pause = limits_.pause_first;
            continue;
        }
        WEIR_SOMETIMES(true, "a parcel brought nothing and was carried again");
        repeated_total_.add();
        // Not all couriers at once.
        const auto spread = home_.random().below(static_cast<std::uint64_t>(pause.count()));
        co_await runtime::sleep_for(pause + runtime::nanoseconds(spread), stop_.get_token());
        pause = std::min(2 * pause, limits_.pause_max);
    }
}

// What the log may let go.

task<void> letter_office::rewrite_lanes(partition_id partition) {
    const auto payload = encode(book(partition).lanes());
    const auto stored = append(partition, static_cast<std::uint16_t>(record_type::letter_lanes), payload);
    if (!stored) co_return;  // another time
    const auto written = co_await journal_.durable(partition, stored->at);
    if (!written) co_return;
    const auto oldest = book(partition).oldest_undelivered();
    const auto from = std::min(stored->at, oldest.value_or(stored->at));
    const auto before = held_[partition.value].from;
    hold_from(partition, std::max(from, before), stored->time);
    if (from <= before) co_return;
    WEIR_SOMETIMES(true, "the lanes of a partition were written again, and the log let go of what is behind");
    journal_.pin(partition, from);
    journal_.unpin(partition, before);
}

void letter_office::hold_from(partition_id partition, offset at, runtime::utc_time since) {
    held_[partition.value] = {at, journal_.appended_bytes(), since};
}

bool letter_office::holds_too_much(partition_id partition) const {
    const auto& held = held_[partition.value];
    if (held.from == 0) return false;
    // As far as the oldest undelivered letter, which stays.
    const auto next = journal_.next_offset(partition);
    const auto oldest = books_[partition.value]->oldest_undelivered();
    const auto to_gain = std::min(next, oldest.value_or(next)) - held.from;
    if (to_gain > limits_.held_records_max) return true;
    const auto age_us = home_.time().utc().microseconds_since_epoch - held.since.microseconds_since_epoch;
    return to_gain > 0 && (journal_.appended_bytes() - held.appended_bytes > limits_.behind_bytes_max ||
                           age_us > limits_.age_max.count());
}

task<void> letter_office::tidy() {
    for (const auto partition : journal_.partitions())
        if (holds_too_much(partition)) co_await rewrite_lanes(partition);
}

}  // namespace pipeline::letters
