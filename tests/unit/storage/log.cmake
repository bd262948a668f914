weir_test(log_format_test
  SOURCES log_format_test.cpp
  USES weir_log
  LABELS unit)
weir_test(embedded_log_test
  SOURCES embedded_log_test.cpp
  USES weir_log weir_embedded_disk
  LABELS unit)
