# Debian 12's packages; deploy/packages.txt is the list that deploy/run installs.
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(Protobuf REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(GTest REQUIRED)
pkg_check_modules(LIBURING REQUIRED IMPORTED_TARGET liburing)
pkg_check_modules(SIMDJSON REQUIRED IMPORTED_TARGET simdjson)
pkg_check_modules(ROCKSDB REQUIRED IMPORTED_TARGET rocksdb)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-cpp)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)

# Asio's and Beast's own code is compiled once, in runtime/asio_impl.cpp and http/beast_impl.cpp.
add_library(weir_asio INTERFACE)
target_compile_definitions(weir_asio INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
  BOOST_ASIO_DISABLE_VISIBILITY)
target_link_libraries(weir_asio INTERFACE Threads::Threads OpenSSL::SSL OpenSSL::Crypto)
