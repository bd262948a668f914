// A directory that goes with its test.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "runtime/base/assert.hpp"

namespace tests {

class temporary_directory {
  public:
    temporary_directory() {
        path_ = (std::filesystem::temp_directory_path() / "weir-test-XXXXXX").string();
        WEIR_ASSERT(::mkdtemp(path_.data()) != nullptr);
    }
    ~temporary_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

}  // namespace tests
