#include "pipeline/execution_table.hpp"

namespace pipeline {

void execution_table::insert(std::shared_ptr<execution> e) {
    if (!e->is_ended()) {
        ++open_by_user_[e->user];
        e->place_by_age = by_age_.insert(by_age_.end(), e->id);
    }
    // Ids rise, so the end is nearly always the right hint.
    in_order_.insert(in_order_.end(), e->id);
    by_id_.emplace(e->id, std::move(e));
}

void execution_table::erase(execution_id id) {
    in_order_.erase(id);
    by_id_.erase(id);
}

std::shared_ptr<execution> execution_table::find(execution_id id) const {
    const auto it = by_id_.find(id);
    return it == by_id_.end() ? nullptr : it->second;
}

std::size_t execution_table::open_of(const runtime::uuid& user) const {
    const auto it = open_by_user_.find(user);
    return it == open_by_user_.end() ? 0 : it->second;
}

void execution_table::replace(std::shared_ptr<execution> e) {
    const auto old = find(e->id);
    if (old) {
        if (!old->is_ended()) ended(*old);
        erase(e->id);
    }
    insert(std::move(e));
}

std::shared_ptr<execution> execution_table::oldest_open() const {
    return by_age_.empty() ? nullptr : find(by_age_.front());
}

void execution_table::renewed(execution& e) {
    if (e.place_by_age) by_age_.splice(by_age_.end(), by_age_, *e.place_by_age);
}

void execution_table::ended(execution& e) {
    if (e.place_by_age) by_age_.erase(*e.place_by_age);
    e.place_by_age.reset();
    const auto it = open_by_user_.find(e.user);
    if (it != open_by_user_.end() && --it->second == 0) open_by_user_.erase(it);
}

void execution_table::newest_first(std::optional<execution_id> below,
                                   const std::function<bool(const std::shared_ptr<execution>&)>& visit) const {
    auto at = below ? in_order_.lower_bound(*below) : in_order_.end();
    while (at != in_order_.begin()) {
        --at;
        if (!visit(by_id_.at(*at))) return;
    }
}

std::vector<std::shared_ptr<execution>> execution_table::all() const {
    std::vector<std::shared_ptr<execution>> out;
    out.reserve(by_id_.size());
    for (const auto& id : in_order_) out.push_back(by_id_.at(id));
    return out;
}

}  // namespace pipeline
