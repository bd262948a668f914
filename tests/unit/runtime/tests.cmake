# What the rest stands on: values, and tasks on the machine's shards and on simulated ones alike.
weir_test(runtime_values_test
  SOURCES encoding_test.cpp hashes_test.cpp ids_test.cpp ip_address_test.cpp poll_window_test.cpp spsc_ring_test.cpp time_test.cpp unique_function_test.cpp
  USES weir_runtime
  LABELS unit)
weir_test(runtime_tasks_test
  SOURCES event_test.cpp gate_test.cpp idle_test.cpp offload_test.cpp timer_test.cpp with_deadline_test.cpp world_test.cpp
  USES weir_runtime
  LABELS unit)
