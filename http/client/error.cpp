#include "http/client/error.hpp"

#include <string>

namespace http::client {
namespace {

class category final : public boost::system::error_category {
  public:
    [[nodiscard]] const char* name() const noexcept override { return "http.client"; }
    [[nodiscard]] std::string message(int value) const override {
        switch (static_cast<errc>(value)) {
            case errc::malformed_answer: return "the answer is not valid HTTP/1.1";
            case errc::header_too_large: return "the answer's header is larger than allowed";
            case errc::body_too_large: return "the answer's body is larger than allowed";
            case errc::incomplete_answer: return "the connection ended inside of an answer";
            case errc::malformed_request: return "the request has a method, target or header that must not be sent";
            case errc::event_too_large: return "an event of the stream is larger than allowed";
            case errc::bad_url: return "not a URL of the form http://HOST[:PORT][/PATH]";
            case errc::refused: return "the server refused the event stream";
            case errc::gave_up: return "the event stream could not be resumed";
        }
        return "unknown error";
    }
};

}  // namespace

runtime::error_code make_error_code(errc value) {
    static const category instance;
    return {static_cast<int>(value), instance};
}

}  // namespace http::client
