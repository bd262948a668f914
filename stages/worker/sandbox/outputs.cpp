// The outputs of a program that has ended, out of its box.
#include "runtime/shard.hpp"
#include "stages/worker/sandbox/files/taken_file.hpp"
#include "stages/worker/sandbox/sandbox_worker.hpp"

namespace stages::worker::sandbox {
namespace {

output_fault fault_of(file_fault what) {
    switch (what) {
        case file_fault::none: return output_fault::none;
        case file_fault::not_found: return output_fault::not_found;
        case file_fault::not_regular: return output_fault::not_regular;
        case file_fault::too_large: return output_fault::too_large;
        case file_fault::unreadable: break;
    }
    return output_fault::unreadable;
}

}  // namespace

// The first ones get the room there is. A helper thread reads, so that a slow disk of one box keeps nobody else.
runtime::task<std::vector<kept_output>> sandbox_worker::take_outputs(descriptor disk, std::vector<std::string> paths,
                                                                     std::uint64_t each_max,
                                                                     std::uint64_t together_max) {
    auto take = [disk = std::move(disk), paths = std::move(paths), each_max, left = together_max]() mutable {
        std::vector<kept_output> out;
        for (auto& path : paths) {
            auto file = take_file(disk.get(), path, std::min(each_max, left));
            auto& kept = out.emplace_back();
            kept.fault = fault_of(file.fault);
            if (file.fault == file_fault::too_large && left < each_max) kept.fault = output_fault::too_large_together;
            kept.path = std::move(path);
            kept.bytes = std::move(file.bytes);
            left -= kept.bytes.size();
        }
        return out;
    };
    co_return co_await runtime::offload(std::move(take));
}

}  // namespace stages::worker::sandbox
