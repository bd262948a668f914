// A file that the build has made, inside of the program.
#pragma once

// Lays the file `path` between the symbols NAME_begin and NAME_end. By the assembler: compiler caches see it count.
#define WEIR_EMBED_FILE(name, path)                                                                           \
    asm(".section .rodata\n.global " #name "_begin\n.global " #name "_end\n" #name "_begin:\n.incbin \"" path \
        "\"\n" #name "_end:\n.byte 0\n.text\n");                                                              \
    extern "C" const char name##_begin[];                                                                     \
    extern "C" const char name##_end[]
