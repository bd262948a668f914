#include "storage/embedded/archive/archive_blocks.hpp"

#include <algorithm>
#include <span>
#include <tuple>

#include "storage/embedded/archive/archive_state.hpp"

namespace storage::embedded {

using runtime::result;
namespace keys = archive_keys;

namespace {

// Those of one user, not more than a batch may have, sorted by id.
void add_batch(rocksdb::WriteBatch& to, std::span<indexed_document> documents, std::uint64_t batch) {
    const auto tenant = documents.front().tenant;
    const auto user = documents.front().user;
    const auto tenant_list = keys::tenant_prefix(tenant);
    const auto user_list = keys::user_prefix(tenant, user);
    std::vector<runtime::execution_id> ids;
    ids.reserve(documents.size());
    const auto close_lists = [&] {
        const auto period = keys::begin_period(ids.front());
        const auto value = keys::encode_ids(ids);
        to.Put(keys::block_key(tenant_list, period, batch), value);
        to.Put(keys::block_key(user_list, period, batch), value);
        ids.clear();
    };
    for (const auto& each : documents) {
        if (!ids.empty() && keys::begin_period(ids.front()) != keys::begin_period(each.entry.id)) close_lists();
        ids.push_back(each.entry.id);
    }
    close_lists();

    const auto period_of = [](const indexed_document& what) { return keys::end_period(what.entry.ended_at); };
    std::ranges::sort(documents, {}, [&](const auto& what) { return std::pair(period_of(what), what.entry.id); });
    for (auto rest = documents; !rest.empty();) {
        const auto period = period_of(rest.front());
        const auto end = std::ranges::upper_bound(rest, period, {}, period_of);
        keys::retention_block block{tenant, user, {}};
        for (auto at = rest.begin(); at != end; ++at) block.entries.push_back(std::move(at->entry));
        to.Put(keys::block_key(keys::retention_prefix, period, batch), keys::encode_retention_block(block));
        rest = {end, rest.end()};
    }
}

// Nothing if it is missing or cannot be read.
template <class Block>
std::optional<Block> read_block(rocksdb::DB& db, const std::string& key,
                                std::optional<Block> (*decode)(std::string_view)) {
    std::string value;
    const auto status = db.Get(rocksdb::ReadOptions(), key, &value);
    return status.ok() ? decode(value) : std::nullopt;
}

std::vector<placed_document> documents_of(keys::retention_block block, std::uint64_t batch) {
    std::vector<placed_document> out;
    out.reserve(block.entries.size());
    for (auto& entry : block.entries) out.push_back({{block.tenant, block.user, std::move(entry)}, batch});
    return out;
}

}  // namespace

void add_blocks(rocksdb::WriteBatch& to, std::vector<indexed_document> documents, std::uint64_t& batches) {
    const auto user_of = [](const indexed_document& what) { return std::tie(what.tenant, what.user); };
    std::ranges::sort(documents, [&](const indexed_document& a, const indexed_document& b) {
        return std::tuple(user_of(a), a.entry.id) < std::tuple(user_of(b), b.entry.id);
    });
    for (std::span<indexed_document> rest(documents); !rest.empty();) {
        std::size_t count = 1;
        const std::size_t most = std::min(rest.size(), keys::batch_documents_max);
        while (count < most && user_of(rest[count]) == user_of(rest.front())) ++count;
        add_batch(to, rest.first(count), batches++);
        rest = rest.subspan(count);
    }
}

const placed_document* removal::find(runtime::execution_id id, runtime::utc_time ended_at) {
    const auto period = keys::end_period(ended_at);
    if (period_ != period) {
        period_ = period;
        ended_.clear();
        const std::string from = keys::with_period(keys::retention_prefix, period);
        retention_order order(db_, from);
        auto ended = order.next();
        damaged_blocks_ += order.damaged_blocks() + (ended ? 0 : 1);
        if (ended && order.period() == from)
            for (auto& each : *ended) ended_[each.entry.id] = std::move(each);
    }
    const auto found = ended_.find(id);
    return found == ended_.end() ? nullptr : &found->second;
}

void removal::remove(const placed_document& what) {
    to_.Delete(keys::document_key(what.entry.id));
    for (const auto first : what.entry.chunks) to_.Delete(keys::chunk_key(what.entry.id, first));
    remove_from_list(keys::tenant_prefix(what.tenant), what);
    remove_from_list(keys::user_prefix(what.tenant, what.user), what);
    remove_from_order(what);
}

void removal::remove_from_list(const std::string& prefix, const placed_document& what) {
    const auto key = keys::block_key(prefix, keys::begin_period(what.entry.id), what.batch);
    auto block = lists_.find(key);
    if (block == lists_.end()) {
        auto ids = read_block(db_, key, &keys::decode_ids);
        if (!ids) ++damaged_blocks_;
        if (!ids) return;
        block = lists_.emplace(key, std::move(*ids)).first;
    }
    if (std::erase(block->second, what.entry.id) == 0) ++damaged_blocks_;
}

void removal::remove_from_order(const placed_document& what) {
    const auto key = keys::block_key(keys::retention_prefix, keys::end_period(what.entry.ended_at), what.batch);
    auto block = order_.find(key);
    if (block == order_.end()) {
        auto decoded = read_block(db_, key, &keys::decode_retention_block);
        if (!decoded) ++damaged_blocks_;
        if (!decoded) return;
        block = order_.emplace(key, std::move(*decoded)).first;
    }
    const auto is_it = [&](const keys::retention_entry& each) { return each.id == what.entry.id; };
    if (std::erase_if(block->second.entries, is_it) == 0) ++damaged_blocks_;
}

void removal::finish() {
    const auto settle = [this](const std::string& key, bool is_empty, const auto& encode) {
        if (is_empty) {
            to_.Delete(key);
        } else {
            to_.Put(key, encode());
        }
    };
    for (const auto& [key, ids] : lists_) settle(key, ids.empty(), [&] { return keys::encode_ids(ids); });
    for (const auto& [key, block] : order_)
        settle(key, block.entries.empty(), [&] { return keys::encode_retention_block(block); });
}

retention_order::retention_order(rocksdb::DB& db, std::string from)
    : upper_(keys::behind(std::string(keys::retention_prefix))), upper_bound_(upper_), period_(std::move(from)) {
    rocksdb::ReadOptions reading;
    reading.iterate_upper_bound = &upper_bound_;
    at_.reset(db.NewIterator(reading));
    at_->Seek(period_);
}

void retention_order::read_period(std::vector<placed_document>& to) {
    period_ = keys::period_of(at_->key().ToStringView());
    for (; at_->Valid() && keys::period_of(at_->key().ToStringView()) == period_; at_->Next()) {
        const auto batch = keys::batch_at_end(at_->key().ToStringView());
        auto block = keys::decode_retention_block(at_->value().ToStringView());
        if (batch && block) {
            std::ranges::move(documents_of(std::move(*block), *batch), std::back_inserter(to));
        } else {
            ++damaged_blocks_;
        }
    }
}

result<std::vector<placed_document>> retention_order::next() {
    std::vector<placed_document> out;
    while (out.empty() && at_->Valid()) read_period(out);
    if (!at_->status().ok()) return code_of(at_->status());
    const auto order = [](const placed_document& what) { return std::pair(what.entry.ended_at, what.entry.id); };
    std::ranges::sort(out, {}, order);
    return out;
}

list_order::list_order(rocksdb::DB& db, std::string prefix, std::optional<runtime::execution_id> before,
                       runtime::execution_id lowest)
    : db_(db),
      prefix_(std::move(prefix)),
      before_(before),
      lower_(keys::with_period(prefix_, keys::begin_period(lowest))),
      upper_(before ? keys::behind(keys::with_period(prefix_, keys::begin_period(*before))) : keys::behind(prefix_)),
      lower_bound_(lower_),
      upper_bound_(upper_) {
    if (upper_ <= lower_) return;
    rocksdb::ReadOptions reading;
    reading.iterate_lower_bound = &lower_bound_;
    reading.iterate_upper_bound = &upper_bound_;
    at_.reset(db.NewIterator(reading));
    at_->SeekToLast();
}

result<void> list_order::read_period() {
    const std::string period(keys::period_of(at_->key().ToStringView()));
    for (; at_->Valid() && keys::period_of(at_->key().ToStringView()) == period; at_->Prev()) {
        const auto batch = keys::batch_at_end(at_->key().ToStringView());
        const auto ids = keys::decode_ids(at_->value().ToStringView());
        if (!batch || !ids) return damaged();
        for (const auto& id : *ids)
            if (!before_ || id < *before_) read_.push_back({id, *batch});
    }
    std::ranges::sort(read_, {}, &item::id);
    // A document that was put again while its place in the order of retention was lost is named by its old batch, too.
    const auto again = std::ranges::unique(read_, {}, &item::id);
    read_.erase(again.begin(), again.end());
    return {};
}

result<std::vector<list_order::item>> list_order::next(std::size_t count_max) {
    std::vector<item> out;
    if (at_ == nullptr) return out;
    while (out.size() < count_max) {
        if (read_.empty()) {
            if (!at_->Valid()) break;
            const auto read = read_period();
            if (!read) return read.error();
            continue;
        }
        out.push_back(read_.back());
        read_.pop_back();
    }
    if (!at_->status().ok()) return fail(at_->status());
    return out;
}

result<bool> list_order::still_names(const item& what) {
    std::string value;
    const auto key = keys::block_key(prefix_, keys::begin_period(what.id), what.batch);
    const auto status = db_.Get(rocksdb::ReadOptions(), key, &value);
    if (status.IsNotFound()) return false;
    if (!status.ok()) return {boost::system::in_place_error, fail(status)};
    const auto ids = keys::decode_ids(value);
    if (!ids) return {boost::system::in_place_error, damaged()};
    return std::ranges::find(*ids, what.id) != ids->end();
}

runtime::error_code list_order::fail(const rocksdb::Status& status) {
    diagnosis_ = status.ToString();
    return code_of(status);
}

runtime::error_code list_order::damaged() {
    diagnosis_ = "a block of a list cannot be decoded";
    return archive_errc::corrupt;
}

}  // namespace storage::embedded
