#include <gtest/gtest.h>

#include "tests/support/sandbox_host.hpp"

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    tests::sandbox_host::get();
    return RUN_ALL_TESTS();
}
