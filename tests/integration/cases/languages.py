"""Languages by manifest: each one runs, gets its arguments and its input as they are, and says so in the contract."""

import base64
import json

from harness import expect
from harness.runner import case
from harness.server import StartFailed

# Prints a greeting, then each argument in brackets, then what comes in on standard input, byte for byte.
ECHO = {
    "python": 'import sys\nprint("Hello, world!", flush=True)\nfor a in sys.argv[1:]:\n    print(f"[{a}]", flush=True)\n'
              "sys.stdout.buffer.write(sys.stdin.buffer.read())\n",
    "node": 'console.log("Hello, world!");\nfor (const a of process.argv.slice(2)) console.log(`[${a}]`);\n'
            'process.stdout.write(require("fs").readFileSync(0));\n',
    "bash": 'echo "Hello, world!"\nfor a in "$@"; do printf "[%s]\\n" "$a"; done\ncat\n',
    "ruby": '$stdout.binmode\nputs "Hello, world!"\nARGV.each { |a| puts "[#{a}]" }\n'
            "$stdout.write($stdin.binmode.read)\n",
    "perl": 'use strict;\nbinmode STDIN;\nbinmode STDOUT;\nprint "Hello, world!\\n";\nprint "[$_]\\n" for @ARGV;\n'
            "local $/;\nmy $in = <STDIN>;\nprint $in if defined $in;\n",
    "c": '#include <stdio.h>\nint main(int n, char** a) {\n    printf("Hello, world!\\n");\n'
         '    for (int i = 1; i < n; i++) printf("[%s]\\n", a[i]);\n    int c;\n'
         "    while ((c = getchar()) != EOF) putchar(c);\n    return 0;\n}\n",
    "cpp": '#include <iostream>\nint main(int n, char** a) {\n    std::cout << "Hello, world!\\n";\n'
           '    for (int i = 1; i < n; i++) std::cout << "[" << a[i] << "]\\n";\n'
           "    if (std::cin.peek() != EOF) std::cout << std::cin.rdbuf();\n}\n",
    "go": 'package main\n\nimport (\n\t"fmt"\n\t"io"\n\t"os"\n)\n\nfunc main() {\n\tfmt.Println("Hello, world!")\n'
          '\tfor _, a := range os.Args[1:] {\n\t\tfmt.Printf("[%s]\\n", a)\n\t}\n\tio.Copy(os.Stdout, os.Stdin)\n}\n',
    "java": 'public class Main {\n    public static void main(String[] arguments) throws Exception {\n'
            '        var out = new java.io.PrintStream(System.out, true, "UTF-8");\n'
            '        out.print("Hello, world!\\n");\n'
            '        for (var a : arguments) out.print("[" + a + "]\\n");\n'
            "        System.in.transferTo(out);\n        out.flush();\n    }\n}\n",
}
COMPILED = ("c", "cpp", "go", "java")
ARGUMENTS = ["a b", "", "$(id)", "x\ny", "-o/etc/x", "@file", "ä'\""]
INPUT = bytes(range(256)) * 300 + b"\r\n\x00no end of line"


def supported(client):
    return client.get("/api/v1/k8s-limits").json()["supported_runtimes"]


@case()
def every_language_runs_in_every_version_with_exact_arguments_and_input(context):
    client = context.shared().client
    runtimes = supported(client)
    for language in ECHO:
        assert language in runtimes, f"{language} is not installed: {sorted(runtimes)}"
    expected = "".join(["Hello, world!\n"] + [f"[{a}]\n" for a in ARGUMENTS]).encode() + INPUT
    for language, script in ECHO.items():
        for version in runtimes[language]["versions"]:
            result = client.run(script, 600, lang=language, lang_version=version, args=ARGUMENTS,
                                stdin={"base64": base64.b64encode(INPUT).decode()})
            expect.equal((result["status"], result["lang_version"]), ("completed", version),
                         f"{language} {version}: {result['error_message']} {result['stderr']}")
            assert expect.stream_of(result, "stdout") == expected, \
                f"{language} {version}: {expect.short(expect.stream_of(result, 'stdout'))}"
            expect.equal(result["stderr"], "", f"{language} {version}")


@case()
def a_failing_program_fails_in_every_language(context):
    client = context.shared().client
    for language, script in {"python": "raise SystemExit(3)", "node": "process.exit(3)", "bash": "exit 3",
                             "ruby": "exit 3", "perl": "exit 3", "c": "int main() { return 3; }",
                             "cpp": "int main() { return 3; }",
                             "go": "package main\nimport \"os\"\nfunc main() { os.Exit(3) }",
                             "java": "class Main { public static void main(String[] a) { System.exit(3); } }"}.items():
        result = client.run(script, lang=language)
        expect.equal((result["error_type"], result["exit_code"]), ("exit_code", 3), language)


@case()
def what_does_not_compile_says_why(context):
    client = context.shared().client
    for language, script, words in (("c", "int main() { return x; }", "undeclared"),
                                    ("cpp", "int main() { return x; }", "not declared"),
                                    ("go", "package main\nfunc main() { x() }", "undefined"),
                                    ("java", "class Main { int f() { return x; } }", "cannot find symbol")):
        identity = client.accept(script, lang=language)
        result = client.wait(identity)
        expect.equal((result["status"], result["error_type"], result["exit_code"], result["signal"], result["stdout"]),
                     ("failed", "compile_error", None, None, ""), language)
        assert words in result["stderr"] and "the compiler exited with code" in result["error_message"], result
        events = client.events(identity)
        expect.whole_history(events, identity)
        expect.equal(expect.output_of(events, "stderr"), result["stderr"].encode(), language)


@case()
def what_is_compiled_once_runs_many_times(context):
    client = context.own().start().client
    script = "#include <stdio.h>\nint main() { int n; if (scanf(\"%d\", &n) == 1) printf(\"%d\\n\", 2 * n); }"
    identities = [client.accept(script, lang="c", stdin=str(number)) for number in range(40)]
    for number, identity in enumerate(identities):
        result = client.wait(identity)
        expect.equal((result["status"], result["stdout"]), ("completed", f"{2 * number}\n"), result["stderr"])
    expect.equal(client.metric("weir_artifacts_made_total"), 1.0)
    expect.equal(client.metric("weir_artifacts_found_total"), 39.0)
    assert client.metric("weir_artifact_cache_bytes") > 0


@case()
def the_command_line_lists_what_the_server_offers(context):
    server = context.shared()
    listed = context.binary.cli("runtimes", "-o", "json")
    expect.equal(listed.returncode, 0, listed.stderr)
    body = json.loads(listed.stdout)
    expect.equal({one["lang"]: [v["version"] for v in one["versions"]] for one in body["runtimes"] if one["versions"]},
                 {lang: what["versions"] for lang, what in supported(server.client).items()}, "runtimes")
    table = context.binary.cli("runtimes").stdout
    assert "python" in table and "VERSIONS" in table, table


MANIFEST = """language: other-shell
file_name: main.osh
executables: [/bin/sh]
version:
  command: ["{executable}", -c, echo 7.1]
  pattern: '^(\\d+\\.\\d+)$'
run: ["{executable}", -e, "{file}"]
environment: {WHO: from the manifest, PATH: /usr/bin}
example: |
  echo "Hello, ${1:-world}!"
"""


@case()
def an_operators_own_manifest_is_a_language(context):
    server = context.own()
    folder = server.home / "runtimes"
    folder.mkdir()
    (folder / "other.yaml").write_text(MANIFEST)
    server.flags += ["--runtimes", str(folder)]
    client = server.start().client
    expect.equal(supported(client), {"other-shell": {"versions": ["7.1"], "file_ext": "osh"}})
    result = client.run('echo "$WHO $PATH $HOME $0"; false; echo not here', lang="other-shell")
    expect.equal((result["exit_code"], result["stdout"]), (1, "from the manifest /usr/bin /box main.osh\n"))
    expect.input_error(client.execute("x", lang="python"), "/lang")


@case()
def a_bad_manifest_keeps_the_server_from_starting(context):
    for change, wanted in ((("run:", "runs:"), "there is no such field"),
                           (("file_name: main.osh", "file_name: [main.osh]"), "file_name: must be a text")):
        server = context.own()
        folder = server.home / "runtimes"
        folder.mkdir()
        (folder / "other.yaml").write_text(MANIFEST.replace(*change))
        server.flags += ["--runtimes", str(folder)]
        try:
            server.start()
            raise AssertionError("it started")
        except StartFailed as failed:
            assert f"{folder}/other.yaml:" in failed.stderr and wanted in failed.stderr, failed.stderr
        listed = context.binary.cli("runtimes", "--runtimes", str(folder))
        assert listed.returncode == 1 and wanted in listed.stderr, (listed.returncode, listed.stderr)
    server = context.own()
    server.flags += ["--runtimes", "/no/such/folder"]
    try:
        server.start()
        raise AssertionError("it started")
    except StartFailed as failed:
        assert "/no/such/folder: cannot be read" in failed.stderr, failed.stderr
