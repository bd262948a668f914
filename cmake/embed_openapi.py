#!/usr/bin/env python3
"""Turns openapi.yaml into a C++ source with the same document as JSON: embed_openapi.py IN.yaml OUT.cpp"""
import json
import sys

import yaml


def main():
    with open(sys.argv[1], encoding="utf-8") as source:
        text = json.dumps(yaml.safe_load(source), separators=(",", ":"), ensure_ascii=True)
    # String literals have a length limit, so the text is cut; adjacent literals are one.
    pieces = [text[i:i + 8000] for i in range(0, len(text), 8000)]
    with open(sys.argv[2], "w", encoding="utf-8") as out:
        out.write('#include "http/api/openapi.hpp"\n\nnamespace http::api {\n\n')
        out.write("std::string_view openapi_json() {\n    static constexpr std::string_view text =")
        for piece in pieces:
            out.write('\n        R"~~~(' + piece + ')~~~"')
        out.write(";\n    return text;\n}\n\n}  // namespace http::api\n")


if __name__ == "__main__":
    main()
