# Sourced by the other scripts: moves to the repository's root and says where things are.
# shellcheck shell=bash
# shellcheck disable=SC2034  # the sourcing script reads these
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
repo=$PWD
deps=${V2R_DEPS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/v2r}
prefix=$deps/prefix
build=$repo/build/release

say() { printf '%s: %s\n' "$(basename "$0")" "$*"; }
fail() {
  printf '%s: %s\n' "$(basename "$0")" "$1" >&2
  shift
  [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
  exit 1
}

# One compile job a core, and at least 2 GB of memory for each.
compile_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ {print int($2 / 2000000)}' /proc/meminfo)
  [ "${memory:-0}" -ge 1 ] || memory=1
  echo $((cores < memory ? cores : memory))
}
