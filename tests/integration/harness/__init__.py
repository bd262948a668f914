"""The harness of the integration tests: starts the real binary, talks HTTP to it, runs the cases."""
