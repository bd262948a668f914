#include "storage/api/log.hpp"

namespace storage {
namespace {

class log_category final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "log"; }
    std::string message(int value) const override {
        switch (static_cast<log_errc>(value)) {
            case log_errc::not_open: return "the partition is not open here";
            case log_errc::closed: return "the partition was closed under us";
            case log_errc::write_failed: return "a log write failed; nothing is acknowledged until a restart";
            case log_errc::no_space: return "no space left for the log";
            case log_errc::record_too_large: return "a record exceeds 512 KiB";
            case log_errc::corrupt: return "the log is corrupt";
            case log_errc::newer_format: return "the log was written by a later version";
            case log_errc::not_found: return "the record was released or never written";
            case log_errc::busy: return "too many bytes wait for the disk";
        }
        return "unknown log error";
    }
};

}  // namespace

boost::system::error_code make_error_code(log_errc e) {
    static const log_category category;
    return {static_cast<int>(e), category};
}

}  // namespace storage
