// The parameters of a query, decoded.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace http {

class query {
  public:
    // Nothing if an escape is broken, the text is not UTF-8, or there are more than 64.
    static std::optional<query> parse(std::string_view text);

    // The first of that name.
    [[nodiscard]] const std::string* find(std::string_view name) const;
    [[nodiscard]] std::size_t count(std::string_view name) const;
    [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& all() const { return parameters_; }

  private:
    std::vector<std::pair<std::string, std::string>> parameters_;
};

}  // namespace http
