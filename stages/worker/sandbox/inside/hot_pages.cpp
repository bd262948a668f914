#include "stages/worker/sandbox/inside/hot_pages.hpp"

#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

namespace stages::worker::sandbox::inside {
namespace {

constexpr std::size_t page = 4096;

char read_from(const char* where) { return *static_cast<const volatile char*>(where); }

long faults() {
    rusage used;
    return getrusage(RUSAGE_SELF, &used) == 0 ? used.ru_minflt + used.ru_majflt : 0;
}

bool has_relocated_code(const dl_phdr_info& object) {
    for (unsigned i = 0; i < object.dlpi_phnum; ++i) {
        if (object.dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
        const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(object.dlpi_addr + object.dlpi_phdr[i].p_vaddr);
        for (; entry->d_tag != DT_NULL; ++entry)
            if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0))
                return true;
    }
    return false;
}

}  // namespace

void hot_pages::add(char* begin, char* end, int protection) {
    const auto pages = static_cast<std::size_t>(end - begin) / page;
    if (count_ == segments_max || pages == 0 || pages_ + pages > pages_max) return;
    segments_[count_++] = {begin, pages, protection, nullptr};
    pages_ += pages;
}

bool hot_pages::find() {
    const auto each = [](dl_phdr_info* object, std::size_t, void* self) {
        const auto kernels = getauxval(AT_SYSINFO_EHDR);
        for (unsigned i = 0; i < object->dlpi_phnum; ++i) {
            const auto& part = object->dlpi_phdr[i];
            const std::uintptr_t at = object->dlpi_addr + part.p_vaddr;
            if (part.p_type != PT_LOAD || (part.p_flags & PF_R) == 0 || at == kernels || has_relocated_code(*object))
                continue;
            auto* const begin = reinterpret_cast<char*>(at & ~(page - 1));
            auto* const end = reinterpret_cast<char*>((at + part.p_filesz + page - 1) & ~(page - 1));
            const int execute = (part.p_flags & PF_X) != 0 ? PROT_EXEC : 0;
            const int write = (part.p_flags & PF_W) != 0 ? PROT_WRITE : 0;
            static_cast<hot_pages*>(self)->add(begin, end, PROT_READ | execute | write);
        }
        return 0;
    };
    if (sysconf(_SC_PAGESIZE) != page) return false;
    dl_iterate_phdr(each, this);
    void* const memory = mmap(nullptr, pages_ + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (count_ == 0 || memory == MAP_FAILED) return false;
    used_ = static_cast<unsigned char*>(memory);
    auto* next = used_;
    for (unsigned i = 0; i < count_; ++i) {
        segments_[i].used = next;
        next += segments_[i].pages;
    }
    return true;
}

// A fault maps what lies around it, but only of its own mapping, and a mapping ends where its flags do.
void hot_pages::watch() const {
    for (const auto* one = segments_; one < segments_ + count_; ++one)
        for (std::size_t i = 1; i < one->pages; i += 2) madvise(one->begin + i * page, page, MADV_DONTDUMP);
}

void hot_pages::note() const {
    for (const auto* one = segments_; one < segments_ + count_; ++one)
        for (std::size_t i = 0; i < one->pages; ++i) {
            const long before = faults();
            read_from(one->begin + i * page);
            one->used[i] = faults() == before ? 1 : 0;
        }
    used_[pages_] = 1;
}

void hot_pages::keep(const segment& one) {
    const std::size_t bytes = one.pages * page;
    const auto bring = [&one] {
        for (std::size_t i = 0; i < one.pages; ++i)
            if (one.used[i] != 0) read_from(one.begin + i * page);
    };
    if ((one.protection & PROT_WRITE) != 0) return bring();
    // What was written to once, the kernel copies page tables of.
    const bool writable = mprotect(one.begin, bytes, one.protection | PROT_WRITE) == 0;
    if (writable) *static_cast<volatile char*>(one.begin) = read_from(one.begin);
    if (mprotect(one.begin, bytes, one.protection) != 0) _exit(1);
    if (!writable) return;
    madvise(one.begin, bytes, MADV_DONTNEED);
    bring();
    for (std::size_t i = 0, end = 0; i < one.pages; i = end + 1) {
        for (end = i; end < one.pages && one.used[end] == 0;) ++end;
        if (end > i) madvise(one.begin + i * page, (end - i) * page, MADV_DONTNEED);
    }
}

void hot_pages::keep() {
    for (const auto* one = segments_; one < segments_ + count_; ++one)
        if (used_[pages_] != 0 && std::memchr(one->used, 1, one->pages) != nullptr) keep(*one);
    munmap(used_, pages_ + 1);
    used_ = nullptr;
}

}  // namespace stages::worker::sandbox::inside
