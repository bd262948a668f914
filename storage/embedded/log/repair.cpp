#include "storage/embedded/log/repair.hpp"

#include <algorithm>
#include <map>

#include "runtime/base/assert.hpp"
#include "storage/embedded/log/directory.hpp"
#include "storage/embedded/log/meta.hpp"

namespace storage::embedded {
namespace {

constexpr std::size_t new_segment_bytes_max = 64U << 20;
constexpr std::size_t new_batch_bytes_max = 1U << 20;

std::string name_of(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

// Segments of a new log, written one by one.
class segment_writer {
  public:
    segment_writer(disk& on, std::string folder, log_id log, unsigned partition_bits)
        : disk_(on), folder_(std::move(folder)), buffer_(new_segment_bytes_max / 16) {
        header_.key = {log, 1};
        header_.partition_bits = partition_bits;
    }

    // Where each partition stands goes into the first batch.
    void begin(std::vector<table_entry> table) { table_ = std::move(table); }

    task<result<void>> add(record_header header, std::string payload) {
        const std::size_t bytes = padded(record_bytes(payload));
        if (batch_used() + bytes > new_batch_bytes_max) close_batch();
        if (used_ + 2 * new_batch_bytes_max + bytes > new_segment_bytes_max) {
            const auto written = co_await close_segment();
            if (written.has_error()) co_return written;
        }
        room_for(bytes);
        encode_record(header, payload, buffer_.data() + used_);
        used_ += bytes;
        ++records_;
        table_entry& range = ranges_[header.partition];
        range.partition = header.partition;
        if (range.low == 0) range.low = header.at;
        range.high = header.at;
        co_return result<void>();
    }

    task<result<void>> finish() {
        if (records_ > 0 || !table_.empty()) close_batch();
        co_return co_await close_segment();
    }

  private:
    [[nodiscard]] std::size_t batch_used() const { return used_ - batch_at_; }
    void room_for(std::size_t bytes) {
        if (used_ == 0) used_ = batch_at_ = segment_header_bytes;
        if (used_ == batch_at_) used_ += batch_header_bytes;
        // A table or a seal and the fill up to the block fit as well.
        const std::size_t wanted =
            used_ + bytes + (ranges_.size() + table_.size() + 1) * table_entry_bytes + 2 * disk_block_bytes;
        if (wanted > buffer_.size()) buffer_.grow(std::max(wanted, buffer_.size() * 2), used_);
    }
    void close_batch(batch_kind kind = batch_kind::records) {
        room_for(0);
        batch_header header;
        header.kind = kind;
        header.segment = header_.key;
        header.salt = header_.salt;
        header.position = batch_at_;
        header.number = batch_number_++;
        header.committed = committed_;
        header.record_bytes = static_cast<std::uint32_t>(used_ - batch_at_ - batch_header_bytes);
        header.record_count = records_;
        if (kind != batch_kind::records) {
            for (const auto& [id, range] : ranges_) table_.push_back(range);
            room_for(0);
        }
        header.table_count = static_cast<std::uint32_t>(table_.size());
        for (const table_entry& entry : table_) {
            encode_table_entry(entry, buffer_.data() + used_);
            used_ += table_entry_bytes;
        }
        table_.clear();
        records_ = 0;
        encode_batch(header, buffer_.span().subspan(batch_at_, header.total_bytes()));
        used_ = batch_at_ = header.end();
        committed_ = {header_.key.number, header.end()};
    }
    task<result<void>> close_segment() {
        if (records_ > 0) close_batch();
        close_batch(batch_kind::seal);
        header_.bytes = used_;
        encode_segment_header(header_, buffer_.span().first(segment_header_bytes));
        auto file = co_await disk_.open(folder_ + "/" + segment_file_name(header_.key), open_mode::create_new);
        if (file.has_error()) co_return file.error();
        const auto written = co_await (*file)->write_durable(0, buffer_.span().first(used_));
        ++header_.key.number;
        ranges_.clear();
        used_ = batch_at_ = 0;
        co_return written;
    }

    disk& disk_;
    std::string folder_;
    segment_header header_;
    block_buffer buffer_;
    std::size_t used_ = 0;
    std::size_t batch_at_ = 0;
    std::uint32_t records_ = 0;
    std::vector<table_entry> table_;
    std::map<partition_id, table_entry> ranges_;
    std::uint64_t batch_number_ = 1;
    log_position committed_;
};

class repair {
  public:
    repair(disk& on, std::string from, std::string into, std::vector<drop_place> places,
           runtime::unique_function<void(const dropped_record&)> dropped)
        : disk_(on), from_(std::move(from)), into_(std::move(into)), dropped_(std::move(dropped)) {
        for (const drop_place& place : places) {
            const auto [it, fresh] = cuts_.emplace(name_of(place.file), place.position);
            if (!fresh) it->second = std::min(it->second, place.position);
        }
    }

    task<repair_report> run() {
        const auto lock = co_await disk_.try_lock(from_ + "/LOCK");
        if (lock.has_error()) {
            report_.diagnosis = from_ + "/LOCK cannot be had: " + lock.error().message();
            co_return report_;
        }
        const auto meta_before = co_await read_meta(disk_, from_);
        if (meta_before.has_error() || !*meta_before) {
            report_.diagnosis = from_ + "/META cannot be used";
            co_return report_;
        }
        meta_ = **meta_before;
        partitions_.resize(std::size_t{1} << meta_.partition_bits);
        const bool looked = co_await look();
        if (!looked) co_return report_;
        decide();
        const bool written = co_await write();
        if (written) co_await check();
        co_return report_;
    }

  private:
    struct source {
        segment_key key;
        std::string path;
        std::optional<segment_header> header;
        std::uint64_t cut = UINT64_MAX;  // batches from here on are dropped
    };
    struct partition {
        offset released = 1;
        runtime::utc_time last_time;
        std::map<std::uint64_t, offset> claims;            // life: first offset
        std::vector<std::pair<offset, std::uint64_t>> at;  // offset and life of what is before the cuts
        offset end = 1;                                    // survivors are below
    };

    bool refuse(std::string why) {
        report_.diagnosis = std::move(why);
        return false;
    }

    // Opens each segment and notes what stands before the cuts.
    task<bool> look() {
        const auto keys = co_await list_segments(disk_, from_);
        if (keys.has_error()) co_return refuse(from_ + " cannot be listed: " + keys.error().message());
        for (const auto& [name, position] : cuts_) {
            const auto key = parse_segment_file_name(name);
            if (!key || !std::binary_search(keys->begin(), keys->end(), *key))
                co_return refuse("there is no " + from_ + "/" + name);
        }
        log_id cut_log;
        for (const segment_key& key : *keys) {
            source s{key, from_ + "/" + segment_file_name(key), {}, UINT64_MAX};
            const auto cut = cuts_.find(segment_file_name(key));
            if (cut_log == key.log) s.cut = 0;
            if (cut != cuts_.end()) {
                s.cut = std::min(s.cut, cut->second);
                cut_log = key.log;
            }
            const bool good = co_await look_at(s);
            if (!good) co_return false;
            sources_.push_back(std::move(s));
        }
        co_return true;
    }

    task<bool> look_at(source& s) {
        auto file = co_await disk_.open(s.path, open_mode::existing);
        if (file.has_error()) co_return refuse(s.path + " cannot be opened: " + file.error().message());
        const auto header = co_await read_segment_header(**file);
        if (header.has_error()) {
            if (s.cut == 0) {
                report_.unread.push_back({s.path, 0, (*file)->size(), true});
                co_return true;
            }
            co_return refuse(s.path + ", position 0: the header cannot be used; name this place too");
        }
        s.header = *header;
        batch_visitor visit = [&](const batch_header& batch, std::span<const std::byte> whole) -> result<void> {
            return batch.position < s.cut ? note(s, batch, whole) : result<void>();
        };
        const segment_walk walked = co_await walk_segment(**file, *header, s.path, std::move(visit));
        if (walked.failed) co_return refuse(s.path + ": " + walked.failed.message());
        for (const damaged_place& place : walked.damaged) {
            if (place.position >= s.cut) {
                report_.unread.push_back(place);
            } else if (place.is_followed) {
                co_return refuse(place.path + ", position " + std::to_string(place.position) +
                                 ": the batch here is damaged as well; name this place too");
            }
        }
        co_return true;
    }

    result<void> note(const source& s, const batch_header& batch, std::span<const std::byte> whole) {
        if (batch.kind != batch_kind::records) return {};
        const std::uint64_t life = s.key.log.directory_epoch();
        const auto claim = [&](partition& p, offset first) {
            const auto [it, fresh] = p.claims.try_emplace(life, first);
            if (!fresh) it->second = std::min(it->second, first);
        };
        const auto read = for_each_record(batch, whole, [&](const record_view& view, std::size_t) {
            if (view.header.partition.value >= partitions_.size()) return;
            partition& p = partitions_[view.header.partition.value];
            p.at.emplace_back(view.header.at, life);
            p.last_time = std::max(p.last_time, view.header.time);
            claim(p, view.header.at);
        });
        if (read.has_error()) return read;
        for (const table_entry& entry : decode_table(batch, whole)) {
            if (entry.partition.value >= partitions_.size()) return log_errc::corrupt;
            partition& p = partitions_[entry.partition.value];
            p.released = std::max(p.released, entry.low);
            p.last_time = std::max(p.last_time, entry.time);
            claim(p, entry.high);
        }
        return {};
    }

    // What a later life never saw is void, as at a start.
    [[nodiscard]] static bool is_void(const partition& p, offset at, std::uint64_t life) {
        return std::any_of(p.claims.upper_bound(life), p.claims.end(),
                           [at](const auto& later) { return at >= later.second; });
    }

    void decide() {
        for (std::size_t i = 0; i < partitions_.size(); ++i) {
            partition& p = partitions_[i];
            std::erase_if(p.at, [&](const auto& one) { return is_void(p, one.first, one.second); });
            std::sort(p.at.begin(), p.at.end());
            const auto first =
                std::find_if(p.at.begin(), p.at.end(), [&](const auto& one) { return one.first >= p.released; });
            if (first != p.at.end() && first->first > p.released) {
                report_.remarks.push_back("partition " + std::to_string(i) + ": records " + std::to_string(p.released) +
                                          " to " + std::to_string(first->first - 1) +
                                          " are gone; it begins behind them");
                p.released = first->first;
            }
            p.end = p.released;
            for (auto it = first; it != p.at.end() && it->first <= p.end; ++it) p.end = it->first + 1;
            p.at = {};
        }
    }

    task<bool> write() {
        const auto made = co_await disk_.make_folder(into_);
        if (made.has_error()) co_return refuse(into_ + " cannot be made: " + made.error().message());
        report_.epoch = meta_.epoch + 1;
        segment_writer to(disk_, into_, log_id::of(report_.epoch, 0), meta_.partition_bits);
        std::vector<table_entry> table;
        for (std::size_t i = 0; i < partitions_.size(); ++i) {
            const partition& p = partitions_[i];
            table.push_back({{static_cast<std::uint16_t>(i)}, p.released, p.released, p.last_time});
        }
        to.begin(std::move(table));
        for (const source& s : sources_) {
            if (!s.header) continue;
            const bool copied = co_await copy(s, to);
            if (!copied) co_return false;
        }
        const auto finished = co_await to.finish();
        if (finished.has_error()) co_return refuse(into_ + " cannot be written: " + finished.error().message());
        meta after;
        after.epoch = report_.epoch;
        after.partition_bits = meta_.partition_bits;
        const auto written = co_await write_meta(disk_, into_, after);
        if (written.has_error()) co_return refuse(into_ + "/META cannot be written: " + written.error().message());
        co_return true;
    }

    task<bool> copy(const source& s, segment_writer& to) {
        auto file = co_await disk_.open(s.path, open_mode::existing);
        if (file.has_error()) co_return refuse(s.path + " cannot be opened: " + file.error().message());
        std::vector<record> kept;
        batch_visitor visit = [&](const batch_header& batch, std::span<const std::byte> whole) -> result<void> {
            if (batch.kind != batch_kind::records) return {};
            return for_each_record(batch, whole,
                                   [&](const record_view& view, std::size_t) { sift(s, batch.position, view, kept); });
        };
        const segment_walk walked = co_await walk_segment(**file, *s.header, s.path, std::move(visit));
        if (walked.failed) co_return refuse(s.path + ": " + walked.failed.message());
        for (record& one : kept) {
            const auto added = co_await to.add(one.header, std::move(one.payload));
            if (added.has_error()) co_return refuse(into_ + " cannot be written: " + added.error().message());
        }
        co_return true;
    }

    void sift(const source& s, std::uint64_t position, const record_view& view, std::vector<record>& kept) {
        if (view.header.partition.value >= partitions_.size()) return;
        const partition& p = partitions_[view.header.partition.value];
        const bool cut = position >= s.cut;
        // Released or void: nobody would have seen it.
        if (view.header.at < p.released || is_void(p, view.header.at, s.key.log.directory_epoch())) return;
        if (!cut && view.header.at < p.end) {
            kept.push_back({view.header, std::string(view.payload)});
            ++report_.kept;
            return;
        }
        ++report_.dropped;
        dropped_({{segment_file_name(s.key), position, view}, !cut});
    }

    // As a start would look at it.
    task<void> check() {
        directory_options options;
        options.path = into_;
        log_directory made(runtime::shard::here(), disk_, options);
        const auto good = co_await made.verify();
        if (good.has_error()) refuse("what was written cannot be used: " + made.recovered().diagnosis);
        if (good.has_value() && made.recovered().records != report_.kept)
            refuse("of " + std::to_string(report_.kept) + " records only " + std::to_string(made.recovered().records) +
                   " were written");
        co_await made.stop();
    }

    disk& disk_;
    std::string from_;
    std::string into_;
    runtime::unique_function<void(const dropped_record&)> dropped_;
    std::map<std::string, std::uint64_t> cuts_;  // by file name
    meta meta_;
    std::vector<source> sources_;
    std::vector<partition> partitions_;
    repair_report report_;
};

}  // namespace

task<repair_report> repair_log(disk& on, std::string from, std::string into, std::vector<drop_place> places,
                               runtime::unique_function<void(const dropped_record&)> dropped) {
    repair work(on, std::move(from), std::move(into), std::move(places), std::move(dropped));
    co_return co_await work.run();
}

}  // namespace storage::embedded
