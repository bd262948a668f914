# Shared by deploy/run and deploy/test; the caller stands in the repository's root.
# shellcheck shell=bash

say() { printf '%s\n' "$*" >&2; }

# Two compile jobs, or one a CPU where there are more and each has 1.5 GiB of memory.
compile_jobs() {
    local cpus memory_kb jobs
    cpus=$(nproc)
    memory_kb=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
    jobs=$((memory_kb / 1572864))
    ((jobs < cpus)) || jobs=$cpus
    ((jobs >= 2)) || jobs=2
    echo "$jobs"
}

# configure PRESET: if that was never done, or the presets have changed since.
configure() {
    local folder=build/$1
    if [[ -f $folder/build.ninja && ! CMakePresets.json -nt $folder/build.ninja ]]; then return 0; fi
    say "== Configuring $folder"
    mkdir -p build
    if ! cmake --preset "$1" >"$folder.configure.log" 2>&1; then
        cat "$folder.configure.log" >&2
        say "Configuring $folder failed."
        return 1
    fi
    rm -f "$folder.configure.log"
    touch "$folder/build.ninja"
}

# build PRESET [TARGET...]
build() {
    local preset=$1 folder=build/$1 began=$SECONDS jobs targets=()
    shift
    if (($# > 0)); then targets=(--target "$@"); fi
    configure "$preset" || return 1
    jobs=$(compile_jobs)
    say "== Building $folder, $jobs jobs"
    NINJA_STATUS='[%f/%t, %e s] ' cmake --build "$folder" -j "$jobs" "${targets[@]}" >&2 || return 1
    say "== $folder is up to date after $((SECONDS - began)) s"
}
