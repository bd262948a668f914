# Flags of every target. No absolute path goes into a flag, so that ccache hits in another folder.
find_program(CCACHE ccache)
if(CCACHE)
  # base_dir and sloppiness make the cache independent of the folder and let it keep precompiled headers.
  set(launcher ${CMAKE_COMMAND} -E env
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_MAXSIZE=8G ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()

set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer")
set(CMAKE_C_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer")

# The precompiled header is checked by the build's own dependencies; clang's check by path would refuse a cached one.
add_compile_options(-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers)
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fdebug-prefix-map=${CMAKE_SOURCE_DIR}=.>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # CMake hides absolute paths behind -Xclang, where ccache does not make them relative. Every target reuses the one
  # precompiled header, so that its source can be named here.
  set(CMAKE_CXX_COMPILE_OPTIONS_CREATE_PCH
      -Xclang -emit-pch -include ${CMAKE_SOURCE_DIR}/runtime/precompiled.hpp -x c++-header)
  set(CMAKE_CXX_COMPILE_OPTIONS_USE_PCH -include-pch <PCH_FILE>)
  add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>"
                      "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-validate-pch>")
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

find_program(MOLD mold)
if(MOLD)
  add_link_options(-fuse-ld=mold)
endif()
