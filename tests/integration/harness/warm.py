"""How programs begin that take the place of what had booted before them."""

import time

from . import expect

KINDS = {"python": "zygote", "node": "parked"}


def start_of(client, script="1", lang="python", **fields):
    result = client.run(script, lang=lang, **fields)
    expect.equal(result["status"], "completed", result["error_message"])
    return result["isolation"]["start"]


def warmed(client, lang="python", script="1"):
    """Runs the language until something has booted for the next one."""
    deadline = time.monotonic() + 60
    while start_of(client, script, lang) != KINDS[lang]:
        assert time.monotonic() < deadline, f"{lang} never begins as {KINDS[lang]}"
        time.sleep(0.1)
