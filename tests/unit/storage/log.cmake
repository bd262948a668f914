weir_test(log_format_test
  SOURCES log_format_test.cpp
  USES weir_log
  LABELS unit)
weir_test(embedded_log_test
  SOURCES embedded_log_test.cpp
  USES weir_log weir_embedded_disk
  LABELS unit)
weir_test(log_backup_test
  SOURCES log_backup_test.cpp
  USES weir_log weir_embedded_disk
  LABELS unit)

# What every storage::log promises, and the rigs that it is shown on.
add_library(log_conformance_suite OBJECT
  broker_log_rig.cpp log_conformance.cpp log_crash_conformance.cpp log_rigs.cpp)
target_link_libraries(log_conformance_suite PUBLIC weir_log weir_embedded_disk weir_simulated_storage weir_asio GTest::gtest)
target_precompile_headers(log_conformance_suite REUSE_FROM weir_precompiled)
weir_test(log_conformance_test
  SOURCES log_conformance_test.cpp
  USES log_conformance_suite
  LABELS unit)
weir_test(broker_log_test
  SOURCES broker_log_test.cpp
  USES log_conformance_suite
  LABELS unit)
weir_test(embedded_log_damage_test
  SOURCES embedded_log_damage_test.cpp
  USES log_conformance_suite
  LABELS unit)
weir_test(reserve_test
  SOURCES reserve_test.cpp
  USES log_conformance_suite
  LABELS unit)
weir_test(log_tools_test
  SOURCES log_tools_test.cpp
  USES log_conformance_suite
  LABELS unit)
weir_test(embedded_log_exhaustive_test
  SOURCES embedded_log_exhaustive_test.cpp
  USES log_conformance_suite
  LABELS unit)
weir_test(embedded_log_histories_test
  SOURCES embedded_log_histories_test.cpp
  USES log_conformance_suite
  LABELS unit long)
# The same suite on a disk that lies about what is durable has to fail.
add_test(NAME log_conformance_finds_a_lying_disk COMMAND log_conformance_test --gtest_filter=disk/log_crash_conformance*)
set_tests_properties(log_conformance_finds_a_lying_disk PROPERTIES
  WILL_FAIL ON LABELS unit TIMEOUT 300 ENVIRONMENT "WEIR_LOG_LYING_DISK=1;WEIR_LOG_SEEDS=10")
