// Copies of what a machine has for everybody: files that everybody may read, links as links, folders with what is in
// them. What is missing in a copy is missing for the program, no more.
#pragma once

#include <cstddef>

namespace stages::worker::sandbox {

class tree_copy {
  public:
    // All calls together copy no more than this; what does not fit is left out.
    static constexpr std::size_t entries_max = 8192;
    static constexpr std::size_t bytes_max = 16U << 20;
    static constexpr int depth_max = 8;

    // From one open folder into another; both are the caller's.
    tree_copy(int from, int to) : from_(from), to_(to) {}

    void copy(const char* name) { copy(from_, to_, name, 0); }
    // All whose names a shell would take this pattern for.
    void copy_matching(const char* pattern);

  private:
    void copy(int from, int to, const char* name, int depth);
    void copy_file(int from, int to, const char* name, std::size_t bytes);
    void copy_folder(int from, int to, const char* name, int depth);

    int from_;
    int to_;
    std::size_t entries_ = 0;
    std::size_t bytes_ = 0;
};

}  // namespace stages::worker::sandbox
