#include "tests/simulation/letter_watch.hpp"

namespace simulation_tests {

using pipeline::letters::arrival;
using pipeline::letters::letter_draft;
using pipeline::letters::letter_reader;

// A letter that means nothing is answered as often as its body begins with "!".
class letter_watch::reader final : public letter_reader {
  public:
    reader(letter_reader* behind, outside_world& outside, unsigned partition_bits)
        : behind_(behind), outside_(outside), bits_(partition_bits) {}

    [[nodiscard]] std::vector<letter_draft> answer(const arrival& in) const override {
        if (behind_ != nullptr) return behind_->answer(in);
        const auto& body = in.what.what.body;
        if (body.empty() || body.front() != '!') return {};
        letter_draft draft;
        draft.to = pipeline::letters::slot_of(in.from, bits_);
        draft.body = body.substr(1) + " answered";
        return {draft};
    }
    void fold(const arrival& in, bool live) override {
        outside_.letters.taken(in);
        if (behind_ != nullptr) behind_->fold(in, live);
    }

  private:
    letter_reader* behind_;
    outside_world& outside_;
    unsigned bits_;
};

letter_watch::letter_watch(pipeline::letters::letter_office& office, outside_world& outside, unsigned partition_bits) {
    for (const auto kind : {letter_kind::lease_ask, letter_kind::lease_grant, letter_kind::lease_recall,
                            letter_kind::lease_return, letter_kind::lease_declare, letter_kind::rehearsal}) {
        readers_.push_back(std::make_unique<reader>(office.reader_of(kind), outside, partition_bits));
        office.read_by(kind, *readers_.back());
    }
}

}  // namespace simulation_tests
