// What is posted, and what must come out of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/json.hpp"
#include "runtime/base/result.hpp"

namespace bench {

// In `script`, `standard_input`, `arguments` and `expected_output`, {{n}} stands for the number of the execution, so
// that results that are mixed up are noticed.
struct workload_text {
    std::string script = "print(\"weir {{n}}\")";
    std::string lang = "python";
    std::string lang_version;
    std::string priority;
    std::string standard_input;
    std::vector<std::string> arguments;
    std::vector<std::pair<std::string, std::uint64_t>> limits;
    // Nothing: standard output is not checked.
    std::optional<std::string> expected_output = "weir {{n}}\n";
    std::string expected_status = "completed";
};

// Bodies are cut at their placeholders once. Thread: any, read-only.
class workload {
  public:
    explicit workload(workload_text text);

    // The body of POST /api/v1/execute.
    [[nodiscard]] std::string body_of(std::uint64_t number) const;
    [[nodiscard]] std::optional<std::string> output_of(std::uint64_t number) const;
    [[nodiscard]] const std::string& expected_status() const { return text_.expected_status; }
    [[nodiscard]] const workload_text& text() const { return text_; }

    [[nodiscard]] json::value to_json() const;
    static workload from_json(const json::value& from);

  private:
    using pieces = std::vector<std::string>;
    static pieces cut(const std::string& text);
    static std::string join(const pieces& from, std::uint64_t number);

    workload_text text_;
    pieces body_;
    pieces output_;
};

}  // namespace bench
