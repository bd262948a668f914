#include "storage/embedded/archive/archive_store.hpp"

#include <algorithm>

#include "storage/embedded/archive/archive_database.hpp"
#include "storage/embedded/archive/fronts.hpp"
#include "storage/embedded/archive/shard_archive.hpp"

namespace storage::embedded {

archive_sequence archive_store::fronts::join(std::shared_ptr<front_link> link) {
    const std::lock_guard lock(mutex_);
    links_.push_back(std::move(link));
    return durable_through_.load();
}

void archive_store::fronts::leave(const std::shared_ptr<front_link>& link) {
    const std::lock_guard lock(mutex_);
    std::erase(links_, link);
}

std::string archive_store::fronts::last_failure() const {
    const std::lock_guard lock(mutex_);
    return last_failure_;
}

void archive_store::fronts::flushed(archive_sequence through) {
    ++counters_.flushes;
    const std::lock_guard lock(mutex_);
    // Flushes are installed in order, but told of by several threads.
    durable_through_.store(std::max(durable_through_.load(), through));
    last_failure_.clear();
    for (const auto& link : links_) {
        link->home.post([link, through] {
            if (link->front != nullptr) link->front->confirm(through);
        });
    }
}

void archive_store::fronts::failed(runtime::error_code why, const std::string& diagnosis) {
    ++counters_.failures;
    const std::lock_guard lock(mutex_);
    last_failure_ = diagnosis;
    for (const auto& link : links_) {
        link->home.post([link, why] {
            if (link->front != nullptr) link->front->note_failure(why);
        });
    }
}

void archive_store::fronts::recovered() {
    const std::lock_guard lock(mutex_);
    last_failure_.clear();
}

void archive_store::fronts::damaged(const std::string& what) {
    ++counters_.damaged_reads;
    const std::lock_guard lock(mutex_);
    last_damage_ = what;
}

std::string archive_store::fronts::last_damage() const {
    const std::lock_guard lock(mutex_);
    return last_damage_;
}

archive_store::archive_store(archive_options options)
    : options_(std::move(options)), fronts_(std::make_unique<fronts>(counters_)) {}

archive_store::~archive_store() = default;

runtime::result<std::unique_ptr<archive_store>> archive_store::open(archive_options options, std::string& diagnosis) {
    std::unique_ptr<archive_store> store(new archive_store(std::move(options)));
    auto opened = archive_database::open(store->options_, *store->fronts_, diagnosis);
    if (!opened) return opened.error();
    store->database_ = std::move(*opened);
    store->fronts_->begin(store->database_->latest());
    return store;
}

std::unique_ptr<archive> archive_store::open_shard(runtime::shard& home) {
    return std::make_unique<shard_archive>(*this, home);
}

runtime::result<void> archive_store::checkpoint(const std::string& folder, std::string& diagnosis) {
    return database_->checkpoint(folder, diagnosis);
}

std::string archive_store::describe() const {
    std::string text = "rocksdb in " + options_.directory;
    const std::string failure = fronts_->last_failure();
    if (!failure.empty()) text += ", failing: " + failure;
    const std::string damage = fronts_->last_damage();
    if (!damage.empty()) text += ", damaged: " + damage;
    return text;
}

}  // namespace storage::embedded
