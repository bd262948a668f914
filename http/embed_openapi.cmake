# Writes INPUT, a JSON text, as a C++ string into OUTPUT.
file(READ ${INPUT} text)
string(STRIP "${text}" text)
file(WRITE ${OUTPUT} "#include \"http/api/openapi.hpp\"

namespace http::api {

std::string_view openapi_json() { return R\"contract(${text})contract\"; }

}  // namespace http::api
")
