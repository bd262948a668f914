# Archive, bus, quota and blobs: one conformance suite for each interface, run on every back-end.
weir_test(archive_conformance_test
  SOURCES archive_conformance.cpp archive_rigs_test.cpp numbered_documents.cpp retention_conformance.cpp
  USES weir_archive weir_simulated_archive
  LABELS unit)

weir_test(archive_faults_test
  SOURCES archive_faults_test.cpp numbered_documents.cpp
  USES weir_archive PkgConfig::ROCKSDB
  LABELS unit)

weir_test(archive_retention_test
  SOURCES archive_retention_test.cpp numbered_documents.cpp
  USES weir_archive PkgConfig::ROCKSDB
  LABELS unit)

weir_test(unflushed_keys_test
  SOURCES unflushed_keys_test.cpp
  USES weir_archive
  LABELS unit)

weir_test(archive_database_test
  SOURCES archive_database_test.cpp numbered_documents.cpp
  USES weir_archive
  LABELS unit)

weir_test(archive_model_test
  SOURCES archive_model_test.cpp numbered_documents.cpp
  USES weir_archive
  LABELS unit)

weir_test(archive_damage_test
  SOURCES archive_damage_test.cpp numbered_documents.cpp
  USES weir_archive PkgConfig::ROCKSDB
  LABELS unit)

weir_test(simulated_archive_test
  SOURCES simulated_archive_test.cpp numbered_documents.cpp
  USES weir_simulated_archive
  LABELS unit)

weir_test(bus_conformance_test
  SOURCES bus_conformance_test.cpp numbered_documents.cpp
  USES weir_bus
  LABELS unit)

weir_test(quota_conformance_test
  SOURCES quota_conformance_test.cpp
  USES weir_quota
  LABELS unit)

weir_test(log_blobs_test
  SOURCES log_blobs_test.cpp
  USES weir_blobs
  LABELS unit)

if(TARGET log_conformance_suite)
  weir_test(blobs_conformance_test
    SOURCES blobs_conformance_test.cpp
    USES weir_blobs log_conformance_suite
    LABELS unit)
endif()
