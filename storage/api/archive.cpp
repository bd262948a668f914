#include "storage/api/archive.hpp"

namespace storage {
namespace {

class archive_category final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "archive"; }
    std::string message(int value) const override {
        switch (static_cast<archive_errc>(value)) {
            case archive_errc::failed: return "the archive failed";
            case archive_errc::unavailable: return "the archive cannot be reached";
            case archive_errc::no_space: return "no space left for the archive";
            case archive_errc::corrupt: return "the archive is corrupt";
            case archive_errc::newer_format: return "the archive was written by a later version";
            case archive_errc::in_use: return "another process has the archive open";
            case archive_errc::busy: return "too many documents wait for the archive";
            case archive_errc::stopped: return "the archive was stopped";
        }
        return "unknown archive error";
    }
};

}  // namespace

boost::system::error_code make_error_code(archive_errc e) {
    static const archive_category category;
    return {static_cast<int>(e), category};
}

}  // namespace storage
