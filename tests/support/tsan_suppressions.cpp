// What the thread sanitizer is told to leave alone, in tests built with it.
//
// RocksDB and its LZ4 come as Debian's libraries, which are not instrumented: the sanitizer sees its locks but not its
// atomics, and reports races between operations that those order. What our threads share with RocksDB's goes through
// our own mutex (storage/embedded/archive/fronts.hpp) and is still watched.
extern "C" const char* __tsan_default_suppressions();

extern "C" const char* __tsan_default_suppressions() {
    return "called_from_lib:librocksdb.so\n"
           "race:librocksdb.so\n"
           "mutex:librocksdb.so\n"
           "deadlock:librocksdb.so\n"
           "called_from_lib:liblz4.so\n"
           "race:liblz4.so\n";
}
