// An optional value that costs a pointer while it is not there: for large members that few objects have.
#pragma once

#include <memory>
#include <optional>
#include <utility>

namespace runtime {

template <class T>
class boxed {
  public:
    boxed() = default;
    boxed(T value)  // implicit, as of std::optional
        : value_(std::make_unique<T>(std::move(value))) {}
    boxed(std::optional<T> value) : value_(value ? std::make_unique<T>(std::move(*value)) : nullptr) {}
    boxed(const boxed& other) : value_(other.value_ ? std::make_unique<T>(*other.value_) : nullptr) {}
    boxed(boxed&&) noexcept = default;
    boxed& operator=(boxed other) noexcept {
        value_ = std::move(other.value_);
        return *this;
    }
    ~boxed() = default;

    explicit operator bool() const { return value_ != nullptr; }
    [[nodiscard]] bool has_value() const { return value_ != nullptr; }
    // Precondition of these: it has a value.
    T& operator*() { return *value_; }
    const T& operator*() const { return *value_; }
    T* operator->() { return value_.get(); }
    const T* operator->() const { return value_.get(); }

  private:
    std::unique_ptr<T> value_;
};

}  // namespace runtime
