#include "tests/abuse/hostile.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

namespace tests {
namespace {

// Programs of all test servers on this machine run as ids in here.
constexpr uid_t first_of_runs = 300'000;
constexpr uid_t last_of_runs = 600'000;

}  // namespace

std::string files_of_runs() {
    std::string found;
    if (geteuid() != 0) return found;
    for (const char* place : {"/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", "/dev/mqueue"}) {
        std::error_code ignored;
        for (const auto& entry : std::filesystem::directory_iterator(place, ignored)) {
            struct stat about{};
            if (lstat(entry.path().c_str(), &about) != 0) continue;
            if (about.st_uid >= first_of_runs && about.st_uid < last_of_runs) found += entry.path().string() + "; ";
        }
    }
    return found;
}

}  // namespace tests
