# Flags of every target. No absolute path goes into a flag, so that ccache hits in another folder.
find_program(CCACHE ccache)
if(CCACHE)
  set(launcher ${CMAKE_SOURCE_DIR}/cmake/compiler_launcher ${CMAKE_SOURCE_DIR} ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()

set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer")
set(CMAKE_C_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer")

add_compile_options(-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers)
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fdebug-prefix-map=${CMAKE_SOURCE_DIR}=.>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # CMake hides absolute paths behind -Xclang, where ccache does not make them relative. Every target reuses the one
  # precompiled header, so that its source can be named here.
  set(CMAKE_CXX_COMPILE_OPTIONS_CREATE_PCH
      -Xclang -emit-pch -include ${CMAKE_SOURCE_DIR}/runtime/precompiled.hpp -x c++-header)
  set(CMAKE_CXX_COMPILE_OPTIONS_USE_PCH -include-pch <PCH_FILE>)
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>")
endif()
if(WEIR_WARNINGS_AS_ERRORS)
  add_compile_options(-Werror)
endif()
if(WEIR_SANITIZE)
  add_compile_options(-fsanitize=${WEIR_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${WEIR_SANITIZE})
  if(WEIR_SANITIZE MATCHES "undefined")
    # Boost 1.81's and protobuf's own casts; ours are covered by the other checks.
    add_compile_options(-fno-sanitize=vptr,function)
  endif()
endif()

# Asio keeps the last two or three blocks of memory for the next operation. With hundreds of coroutines in flight the next
# one hardly ever fits, and what is then asked for is aligned, which allocators are slower at. So handlers and what lives
# in coroutines must do with an alignment of 16.
add_compile_definitions(BOOST_ASIO_DISABLE_SMALL_BLOCK_RECYCLING BOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING
                        BOOST_ASIO_DISABLE_STD_ALIGNED_ALLOC BOOST_ASIO_DISABLE_BOOST_ALIGN)

find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()
