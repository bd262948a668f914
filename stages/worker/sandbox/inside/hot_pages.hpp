// Which pages of its code and constants an interpreter needs for a program, learned from a rehearsal, so that a
// zygote's children begin with them. What a fork leaves out a child has to ask for by page faults (the kernel copies no
// page table of a file that nothing was written to), each of which maps neighbours that nobody wants and an exit has to
// take away again.
//
//   find()   in the zygote: what there is of files that are mapped to be read or executed
//   watch()  in the process that rehearses, first: from here on a fault brings one page and no neighbour
//   note()   in that process, last: what it has used
//   keep()   in the zygote, once that process has ended: its page tables have these and little beside them, and its
//            children copy them
//
// One thread. What does not work leaves pages to their faults; but the process ends rather than that its code stays
// writable. keep() has to be called once find() has worked: until then there is memory that children would share.
#pragma once

#include <cstddef>

namespace stages::worker::sandbox::inside {

class hot_pages {
  public:
    // False: there is nothing to learn, or no memory to learn it in.
    bool find();
    void watch() const;
    void note() const;
    void keep();

  private:
    struct segment {
        char* begin;
        std::size_t pages;
        int protection;
        unsigned char* used;  // of each page, whether; shared with the process that rehearses
    };
    static constexpr unsigned segments_max = 64;       // further ones are left as they are,
    static constexpr std::size_t pages_max = 1 << 14;  // and what would be more than this of all together

    void add(char* begin, char* end, int protection);
    static void keep(const segment& one);

    segment segments_[segments_max];
    unsigned count_ = 0;
    std::size_t pages_ = 0;
    unsigned char* used_ = nullptr;  // of each page, and behind them whether a rehearsal came to its end
};

}  // namespace stages::worker::sandbox::inside
