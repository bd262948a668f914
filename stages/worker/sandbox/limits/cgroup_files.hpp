// The files of a control group, by the folder that it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace stages::worker::sandbox {

// A counter, which fits one read; empty if it cannot be read.
std::string read_counter(int file);
// All of it: the kernel may hand out a list of processes in several pieces.
std::string read_at(int directory, const char* name);
bool write_at(int directory, const char* name, std::string_view text);
bool exists_at(int directory, const char* name);
// The number that a text begins with.
std::optional<std::uint64_t> to_number(std::string_view text);

// The group's processes have the CPU before all others. Dying takes CPU time, a millisecond or two, and nothing that
// dies can use it for anything else.
void put_first(int directory);
// As in a new group of cgroup v1.
bool put_usual(int directory);

}  // namespace stages::worker::sandbox
