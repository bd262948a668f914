#include "storage/simulated/disk.hpp"

#include <cerrno>
#include <list>
#include <set>

#include "runtime/base/assert.hpp"
#include "runtime/completion.hpp"
#include "storage/simulated/medium.hpp"

namespace storage::simulated {
namespace {

using runtime::error_code;
using runtime::nanoseconds;

error_code system_error(int number) { return {number, boost::system::generic_category()}; }

std::string folder_prefix(const std::string& folder) {
    return folder.empty() || folder.back() == '/' ? folder : folder + "/";
}

}  // namespace

// A call on its way. `take_effect` changes the medium; the task goes on afterwards.
struct call {
    runtime::shard& home;
    std::function<error_code()> take_effect;
    runtime::completion<void(error_code)> resume;
    // Of a durable write only: what a crash may leave of it.
    std::shared_ptr<inode> target;
    std::uint64_t position = 0;
    std::vector<std::byte> bytes;
    bool over = false;
    bool changes = false;  // the medium, or what a crash may leave of it

    explicit call(runtime::shard& h) : home(h) {}
};

struct disk_image::state {
    state(runtime::simulation::world& w, disk_behaviour b) : world(w), behaviour(b), random(w.random().split()) {}

    runtime::simulation::world& world;
    disk_behaviour behaviour;
    runtime::random_source random;
    name_table names;
    std::list<std::shared_ptr<call>> in_flight;
    std::set<std::string> locks;
    std::uint64_t life = 1;
    crash_counters crashes;
    std::uint64_t activity = 0;
    std::uint64_t changes = 0;

    void note(const call& one) {
        ++activity;
        changes += one.changes ? 1 : 0;
    }
    [[nodiscard]] std::uint64_t bytes_used() const {
        std::uint64_t sum = 0;
        for (const auto& [path, file] : names.all()) sum += file->data.size();
        return sum;
    }
    nanoseconds delay() {
        if (random.chance(behaviour.stalled))
            return nanoseconds(random.below(static_cast<std::uint64_t>(behaviour.stall_max.count())));
        const auto spread = static_cast<std::uint64_t>((behaviour.delay_max - behaviour.delay_min).count()) + 1;
        return behaviour.delay_min + nanoseconds(random.below(spread));
    }
};

namespace {

using shared_state = std::shared_ptr<disk_image::state>;

// Runs the call after a delay, unless a crash comes first, and resumes the task on its shard.
void start(const shared_state& state, std::shared_ptr<call> one) {
    state->in_flight.push_back(one);
    state->note(*one);
    state->world.after(state->delay(), [state, one] {
        if (one->over) return;
        one->over = true;
        std::erase(state->in_flight, one);
        state->note(*one);
        const error_code answer = one->take_effect();
        one->home.post([resume = std::move(one->resume), answer]() mutable { resume(answer); });
    });
}

task<result<void>> perform(shared_state state, std::shared_ptr<call> one) {
    auto begin = [&state, &one](auto resume) {
        one->resume = std::move(resume);
        start(state, one);
    };
    try {
        co_await runtime::operation<void(error_code)>(begin);
    } catch (const boost::system::system_error& failure) {
        co_return failure.code();
    }
    co_return result<void>();
}

class simulated_file final : public disk_file {
  public:
    simulated_file(shared_state state, runtime::shard& home, std::shared_ptr<inode> file)
        : state_(std::move(state)), home_(home), file_(std::move(file)) {}

    task<result<void>> write_durable(std::uint64_t position, std::span<const std::byte> bytes) override {
        WEIR_ASSERT(position % disk_block_bytes == 0 && bytes.size() % disk_block_bytes == 0);
        auto one = std::make_shared<call>(home_);
        one->target = file_;
        one->changes = true;
        one->position = position;
        one->bytes.assign(bytes.begin(), bytes.end());
        one->take_effect = [state = state_, raw = one.get()] { return write(*state, *raw); };
        return perform(state_, std::move(one));
    }

    task<result<std::size_t>> read(std::uint64_t position, std::span<std::byte> into) override {
        WEIR_ASSERT(position % disk_block_bytes == 0 && into.size() % disk_block_bytes == 0);
        auto one = std::make_shared<call>(home_);
        std::size_t have = 0;
        one->take_effect = [state = state_, file = file_, position, into, &have] {
            if (state->random.chance(state->behaviour.read_failed)) return system_error(EIO);
            if (position < file->data.size()) have = std::min(into.size(), file->data.size() - position);
            std::copy_n(file->data.begin() + static_cast<std::ptrdiff_t>(position), have, into.begin());
            return error_code();
        };
        const auto done = co_await perform(state_, std::move(one));
        if (done.has_error()) co_return done.error();
        co_return have;
    }

    task<result<void>> zero_fill(std::uint64_t position, std::uint64_t bytes) override {
        auto one = std::make_shared<call>(home_);
        one->changes = true;
        one->take_effect = [state = state_, file = file_, position, bytes] {
            if (state->random.chance(state->behaviour.write_failed)) return system_error(EIO);
            const std::uint64_t grown =
                std::max<std::uint64_t>(position + bytes, file->data.size()) - file->data.size();
            if (state->bytes_used() + grown > state->behaviour.space_bytes) return system_error(ENOSPC);
            file->put_volatile(position, std::vector<std::byte>(bytes));
            return error_code();
        };
        return perform(state_, std::move(one));
    }

    task<result<void>> sync() override {
        auto one = std::make_shared<call>(home_);
        one->changes = true;
        one->take_effect = [state = state_, file = file_] {
            if (state->random.chance(state->behaviour.sync_failed)) return system_error(EIO);
            file->sync();
            return error_code();
        };
        return perform(state_, std::move(one));
    }

    [[nodiscard]] std::uint64_t size() const override { return file_->data.size(); }

  private:
    static error_code write(disk_image::state& state, call& one) {
        const auto choose = [&state](std::uint64_t below) { return state.random.below(below); };
        if (state.random.chance(state.behaviour.write_failed)) {
            put_torn(*one.target, one.position, one.bytes, static_cast<write_fate>(state.random.below(5)), choose);
            return system_error(EIO);
        }
        const std::uint64_t end = one.position + one.bytes.size();
        if (end > one.target->data.size() &&
            state.bytes_used() + end - one.target->data.size() > state.behaviour.space_bytes)
            return system_error(ENOSPC);
        if (state.behaviour.durable_writes_lie) {
            one.target->put_volatile(one.position, one.bytes);
        } else {
            one.target->put(one.position, one.bytes);
        }
        return {};
    }

    shared_state state_;
    runtime::shard& home_;
    std::shared_ptr<inode> file_;
};

class simulated_lock final : public disk_lock {
  public:
    simulated_lock(shared_state state, std::string path)
        : state_(std::move(state)), path_(std::move(path)), life_(state_->life) {}
    ~simulated_lock() override {
        if (life_ == state_->life) state_->locks.erase(path_);
    }

  private:
    shared_state state_;
    std::string path_;
    std::uint64_t life_;
};

class simulated_disk final : public disk {
  public:
    simulated_disk(shared_state state, runtime::shard& home) : state_(std::move(state)), home_(home) {}

    task<result<std::unique_ptr<disk_file>>> open(std::string path, open_mode mode) override {
        std::shared_ptr<inode> file;
        const auto effect = [this, path, mode, &file] {
            file = state_->names.find(path);
            if (mode == open_mode::existing) return file ? 0 : ENOENT;
            if (file) return EEXIST;
            file = std::make_shared<inode>();
            state_->names.add(path, file);
            return 0;
        };
        const auto done = co_await run(effect, mode == open_mode::create_new);
        if (done.has_error()) co_return done.error();
        std::unique_ptr<disk_file> out = std::make_unique<simulated_file>(state_, home_, std::move(file));
        co_return std::move(out);
    }
    task<result<void>> rename(std::string from, std::string to) override {
        return run(
            [state = state_, from, to] {
                if (!state->names.find(from)) return ENOENT;
                state->names.rename(from, to);
                return 0;
            },
            true);
    }
    task<result<void>> remove(std::string path) override {
        return run(
            [state = state_, path] {
                if (!state->names.find(path)) return ENOENT;
                state->names.remove(path);
                return 0;
            },
            true);
    }
    task<result<std::vector<std::string>>> list(std::string folder) override {
        std::vector<std::string> out;
        const auto effect = [this, prefix = folder_prefix(folder), &out] {
            for (const auto& [path, file] : state_->names.all()) {
                if (path.starts_with(prefix) && path.find('/', prefix.size()) == std::string::npos)
                    out.push_back(path.substr(prefix.size()));
            }
            return 0;
        };
        const auto done = co_await run(effect);
        if (done.has_error()) co_return done.error();
        co_return std::move(out);
    }
    task<result<void>> make_folder(std::string) override {
        return run([] { return 0; });
    }
    task<result<void>> sync_directory(std::string) override {
        return run(
            [state = state_] {
                if (state->random.chance(state->behaviour.sync_failed)) return EIO;
                state->names.sync();
                return 0;
            },
            true);
    }
    task<result<std::unique_ptr<disk_lock>>> try_lock(std::string path) override {
        const auto effect = [state = state_, path] { return state->locks.insert(path).second ? 0 : EAGAIN; };
        const auto done = co_await run(effect);
        if (done.has_error()) co_return done.error();
        std::unique_ptr<disk_lock> lock = std::make_unique<simulated_lock>(state_, path);
        co_return std::move(lock);
    }
    task<result<std::uint64_t>> free_bytes(std::string) override {
        const std::uint64_t used = state_->bytes_used();
        const std::uint64_t space = state_->behaviour.space_bytes;
        co_return space > used ? space - used : 0;
    }
    [[nodiscard]] std::string describe() const override { return "simulated"; }

  private:
    // `effect` returns 0 or an errno.
    task<result<void>> run(std::function<int()> effect, bool changes = false) {
        auto one = std::make_shared<call>(home_);
        one->changes = changes;
        one->take_effect = [effect = std::move(effect)] {
            const int number = effect();
            return number == 0 ? error_code() : system_error(number);
        };
        return perform(state_, std::move(one));
    }

    shared_state state_;
    runtime::shard& home_;
};

}  // namespace

disk_image::disk_image(runtime::simulation::world& world, disk_behaviour behaviour)
    : state_(std::make_shared<state>(world, behaviour)) {}

std::unique_ptr<disk> disk_image::open_shard(runtime::shard& home) {
    return std::make_unique<simulated_disk>(state_, home);
}

void disk_image::crash() {
    crash([random = &state_->random](std::uint64_t below) { return random->below(below); });
}

void disk_image::crash_cleanly() {
    // The first of every choice: power is lost, and nothing more reached the medium.
    crash([](std::uint64_t) { return 0U; });
}

void disk_image::crash(const chooser& choose) {
    state& s = *state_;
    const bool power_lost = choose(2) == 0;
    auto in_flight = std::exchange(s.in_flight, {});
    for (const auto& one : in_flight) {
        one->over = true;
        // The task never goes on; its handler is kept like everything the killed process had.
        s.world.bury(one);
        if (!one->target) continue;  // reads, names: as if they had not been begun
        if (power_lost) {
            const auto fate = static_cast<write_fate>(choose(5));
            const bool torn = put_torn(*one->target, one->position, one->bytes, fate, choose);
            ++(torn                        ? s.crashes.writes_torn
               : fate == write_fate::whole ? s.crashes.writes_whole
                                           : s.crashes.writes_lost);
            continue;
        }
        switch (choose(3)) {
            case 0: ++s.crashes.writes_lost; break;
            case 1:
                // In the disk's own memory: a later loss of power may still take it, unless somebody syncs.
                one->target->put_volatile(one->position, one->bytes);
                ++s.crashes.writes_whole;
                break;
            default:
                ++s.crashes.writes_late;
                s.world.after(
                    nanoseconds(s.random.below(static_cast<std::uint64_t>(s.behaviour.late_write_max.count()) + 1)),
                    [one] { one->target->put_volatile(one->position, one->bytes); });
        }
    }
    if (power_lost) {
        for (const auto& [path, file] : s.names.all()) lose_unsynced(*file, choose);
        s.crashes.names_lost += s.names.lose_power(choose);
    }
    s.locks.clear();
    ++s.life;
}

disk_behaviour& disk_image::behaviour() { return state_->behaviour; }
const crash_counters& disk_image::crashes() const { return state_->crashes; }
std::uint64_t disk_image::activity() const { return state_->activity; }
std::uint64_t disk_image::changes() const { return state_->changes; }
std::uint64_t disk_image::bytes_used() const { return state_->bytes_used(); }

std::size_t disk_image::writes_in_flight() const {
    std::size_t count = 0;
    for (const auto& one : state_->in_flight) count += one->target ? 1 : 0;
    return count;
}

std::vector<std::string> disk_image::files() const {
    std::vector<std::string> out;
    for (const auto& [path, file] : state_->names.all()) out.push_back(path);
    return out;
}

std::vector<std::byte> disk_image::content(const std::string& path) const {
    const auto file = state_->names.find(path);
    WEIR_ASSERT(file);
    return file->data;
}

void disk_image::set_content(const std::string& path, std::vector<std::byte> bytes) {
    auto file = state_->names.find(path);
    if (!file) {
        file = std::make_shared<inode>();
        state_->names.add(path, file);
        state_->names.sync();
    }
    file->data = std::move(bytes);
    file->sync();
}

void disk_image::flip_bit(const std::string& path, std::uint64_t bit) {
    const auto file = state_->names.find(path);
    WEIR_ASSERT(file && bit / 8 < file->data.size());
    file->data[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
}

}  // namespace storage::simulated
