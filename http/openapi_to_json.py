#!/usr/bin/env python3
"""Makes openapi.json, which the binary carries, from openapi.yaml; with --check only compares the two."""
import json
import pathlib
import sys

import yaml

HERE = pathlib.Path(__file__).parent


def main():
    document = yaml.safe_load((HERE / "openapi.yaml").read_text(encoding="utf-8"))
    wanted = json.dumps(document, indent=1, ensure_ascii=True) + "\n"
    target = HERE / "openapi.json"
    if "--check" not in sys.argv:
        target.write_text(wanted, encoding="utf-8")
        return 0
    if target.read_text(encoding="utf-8") != wanted:
        print("openapi.json is not what openapi.yaml says; run http/openapi_to_json.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
