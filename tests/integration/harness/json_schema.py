"""Enough of JSON Schema (2020-12) for the schemas of this repository; a keyword that it does not know is an error."""

import re

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "number": (int, float),
         "integer": int}
WORDS = {"$schema", "$id", "$defs", "title", "description"}


def is_type(value, name):
    if isinstance(value, bool) and name != "boolean":
        return False
    return isinstance(value, TYPES[name]) or (name == "integer" and isinstance(value, float) and value.is_integer())


def mistakes(value, schema, root=None, at=""):
    """Where `value` is not as the schema says, in words."""
    root = root if root is not None else schema
    for keyword, wanted in schema.items():
        if keyword in WORDS or keyword == "properties":
            continue
        if keyword == "$ref":
            yield from mistakes(value, root["$defs"][wanted.removeprefix("#/$defs/")], root, at)
        elif keyword == "type":
            names = wanted if isinstance(wanted, list) else [wanted]
            if not any(is_type(value, name) for name in names):
                yield f"{at}: {value!r:.60} is no {' or '.join(names)}"
        elif keyword == "const":
            if value != wanted:
                yield f"{at}: {value!r:.60} is not {wanted!r}"
        elif keyword == "enum":
            if value not in wanted:
                yield f"{at}: {value!r:.60} is none of {wanted}"
        elif keyword == "pattern":
            if isinstance(value, str) and not re.search(wanted, value):
                yield f"{at}: {value!r:.60} does not match {wanted}"
        elif keyword == "minimum":
            if isinstance(value, (int, float)) and value < wanted:
                yield f"{at}: {value} is below {wanted}"
        elif keyword == "required":
            if isinstance(value, dict):
                yield from (f"{at}/{name}: missing" for name in wanted if name not in value)
        elif keyword == "items":
            if isinstance(value, list):
                for i, one in enumerate(value):
                    yield from mistakes(one, wanted, root, f"{at}/{i}")
        elif keyword == "additionalProperties":
            for name in (value if isinstance(value, dict) else ()):
                if name in schema.get("properties", {}):
                    continue
                if wanted is False:
                    yield f"{at}/{name}: not foreseen"
                else:
                    yield from mistakes(value[name], wanted, root, f"{at}/{name}")
        else:
            raise AssertionError(f"the keyword {keyword} is not understood")
    for name, one in schema.get("properties", {}).items():
        if isinstance(value, dict) and name in value:
            yield from mistakes(value[name], one, root, f"{at}/{name}")
