"""Clients that run beside each other while a server is killed."""

import http.client
import threading

# What a client gets when the server is gone.
GONE = (OSError, http.client.HTTPException)


def started(functions):
    """A running thread for each function."""
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    return threads


def join(threads):
    for thread in threads:
        thread.join(180)
        assert not thread.is_alive(), "a client's thread hangs although the server is gone"
