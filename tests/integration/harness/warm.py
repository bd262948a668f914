"""How programs begin that take the place of what had booted before them."""

import time
from pathlib import Path

from . import expect

KINDS = {"bash": "zygote", "perl": "zygote", "python": "zygote", "node": "parked"}


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


def with_python_manifest(context, text, instead):
    """A server of its own whose Python has another manifest, and begins warm."""
    server = context.own(shards=1)
    folder = server.home / "runtimes"
    folder.mkdir()
    manifest = (Path(__file__).resolve().parents[3] / "runtimes" / "python.yaml").read_text()
    assert manifest.count(text) == 1, "the manifest has changed"
    (folder / "python.yaml").write_text(manifest.replace(text, instead))
    server.flags += ["--runtimes", str(folder)]
    client = server.start().client
    warmed(client, script="raise SystemExit")
    return client
