#!/usr/bin/env bash
# bootstrap.sh - from a fresh Debian 12 to a running erlua, in one command.
set -euo pipefail

usage() {
  cat <<'USAGE'
usage: bash bootstrap.sh run [ARGUMENTS...]   install what is missing, build, search with strategies/evolve.lua
       bash bootstrap.sh test                 install what is missing, build, run every test
       bash bootstrap.sh text                 only get the text that the environment nanogpt trains on

ARGUMENTS go to the strategy: `bash bootstrap.sh run --help` lists them. Without any it is a first search of a few minutes.
ERLUA_CMAKE_ARGS adds options to the configuration, for example -DERLUA_WERROR=ON.
USAGE
}

home=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build_packages=(gcc libc6-dev cmake ninja-build pkg-config liblua5.4-dev libuv1-dev libsqlite3-dev libedit-dev
  libncurses-dev libbsd-dev libmd-dev libssl-dev libcurl4-openssl-dev libdnnl-dev libgomp1 ca-certificates bubblewrap)
test_packages=(libcmocka-dev lua5.4 openssl sqlite3 patch procps python3 tmux)

# GCIDE, a dictionary of 40 MB of English, as Debian 12 has it.
text_package=dict-gcide
text_sha256=802beb667e1fb666203e750f1faea60d5c202ac5430c2083c4180494609f10a7

# erlua's cache, where it looks for the text; empty where there is no place for one.
cache_folder() {
  case ${XDG_CACHE_HOME:-} in
    /*) printf '%s\n' "$XDG_CACHE_HOME/erlua" ;;
    *) printf '%s\n' "${HOME:+$HOME/.cache/erlua}" ;;
  esac
}

say() { printf 'bootstrap: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing_of() {
  local package
  for package in "$@"; do installed "$package" || printf '%s\n' "$package"; done
}

can_be_root() { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; }

apt() {
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 "$@"
}

# Without root a person has to refresh the lists.
update_lists() {
  can_be_root || { say "without root and sudo the package lists stay as they are: run 'apt-get update' as root if they are old"; return 1; }
  apt update -o APT::Update::Error-Mode=any >&2
}

install_missing() {
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
    die "this is no Debian: install the equivalents of these yourself, then build with cmake: $*"
  mapfile -t missing < <(missing_of "$@")
  if [ "${#missing[@]}" = 0 ]; then say "all ${#} packages are there"; return; fi
  say "installing the missing packages (${#missing[@]}): ${missing[*]}"
  can_be_root || die "these packages need root: run 'apt-get install ${missing[*]}' as root (there is no sudo), then start again"
  update_lists ||
    say "the package lists could not be refreshed (no network, or another apt holds the lock); trying with those that are there"
  apt install -y --no-install-recommends "${missing[@]}" >&2 ||
    die "apt-get could not install ${missing[*]}: see its message above. Usual causes: no network, or another apt is running (wait for it, then start again)"
}

build() {
  say "configuring in $home/build"
  # shellcheck disable=SC2086  # several options may stand in ERLUA_CMAKE_ARGS
  (cd "$home" && cmake --preset default ${ERLUA_CMAKE_ARGS:-} >&2) || die "cmake refused the configuration: see its message above"
  say "building"
  cmake --build "$home/build" >&2 || die "the build failed: see the compiler's message above"
}

is_the_text() { printf '%s  %s\n' "$text_sha256" "$1" | sha256sum --check --status 2>/dev/null; }

# Unpacks the text of the package in the folder $1 to $2; nothing is installed, and root is not needed.
unpack_text() {
  local download=(apt-get -q -o APT::Sandbox::User=root download "$text_package")
  (
    cd "$1" || return
    "${download[@]}" >&2 || { update_lists && "${download[@]}" >&2; } || return
    dpkg -x "$text_package"_*.deb .
  ) && gzip -dc "$1/usr/share/dictd/gcide.dict.dz" >"$2"
}

# Makes the file $1 of the package. What is left of it, however this ends, goes; of two at once the last one's stands.
fetch_text() (
  work=$(mktemp -d) || return
  part=$1.part.$BASHPID
  trap 'rm -rf "$work" "$part"' EXIT
  mkdir -p "${1%/*}" || return
  if ! unpack_text "$work" "$part"; then
    say "$text_package could not be had: see the message above. Usual causes: no network, or the package lists are old (apt-get update)"
  elif ! is_the_text "$part"; then
    say "the text in $text_package is not the one of Debian 12 (SHA-256 $text_sha256), so that scores could not be compared"
  else
    mv "$part" "$1"
  fi
)

# False, and said why, where the text cannot be had.
get_text() {
  local folder file
  folder=$(cache_folder)
  file=$folder/text/gcide.txt
  [ -n "$folder" ] || { say "there is no place for the text: set HOME or XDG_CACHE_HOME, or use another text with --text FILE"; return 1; }
  if is_the_text "$file"; then say "the text is there: $file"; return; fi
  command -v dpkg >/dev/null && command -v apt-get >/dev/null ||
    { say "this is no Debian: take the text of GCIDE, or any other, with --text FILE"; return 1; }
  say "getting the text of Debian's package $text_package"
  fetch_text "$file" || true
  is_the_text "$file" || { say "any other text will do: --text FILE"; return 1; }
  say "the text is there now: $file"
}

# The numbers of ctest's own summary, from the report it writes.
closing_line() {
  awk '/<testsuite/ { inside = 1 }
    inside { text = text " " $0 }
    inside && />/ { exit }
    function number(name) {
      return match(text, name "=\"[0-9]+\"") ? substr(text, RSTART + length(name) + 2) + 0 : 0
    }
    END { t = number("tests"); f = number("failures"); s = number("skipped") + number("disabled")
          printf "%d passed, %d failed, %d skipped\n", t - f - s, f, s }' "$1"
}

run_tests() {
  local summary=$home/build/test-summary.xml code=0
  rm -f "$summary"
  say "testing"
  (cd "$home" && ctest --preset default --parallel 2 --output-junit "$summary") || code=$?
  [ -s "$summary" ] || die "ctest ended with code $code and wrote no summary"
  closing_line "$summary"
  return "$code"
}

[ $# -ge 1 ] || { usage >&2; exit 2; }
verb=$1
shift
case $verb in
  run)
    install_missing "${build_packages[@]}"
    build
    get_text || true                      # without it a search with --env or --text still runs, and says so itself if not
    [ $# -gt 0 ] || { say "a first search, of about five minutes on two cores"; set -- --epochs 2 --batch 14; }
    say "starting: erlua strategies/evolve.lua $*"
    exec "$home/build/erlua" strategies/evolve.lua "$@"
    ;;
  test)
    [ $# = 0 ] || { usage >&2; exit 2; }
    install_missing "${build_packages[@]}" "${test_packages[@]}"
    build
    run_tests
    ;;
  text)
    [ $# = 0 ] || { usage >&2; exit 2; }
    get_text
    ;;
  -h | --help | help) usage ;;
  *)
    say "there is no '$verb'"
    usage >&2
    exit 2
    ;;
esac
