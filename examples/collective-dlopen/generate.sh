#!/bin/bash
# Makes shared libraries to load, in the spirit of the Pynamic benchmark.
#
#   generate.sh [--libraries 100] [--utilities 20] [--functions 50] [--bytes 65536] DIRECTORY
#
# --libraries  how many there are in all: libmodule_0001.so, ..., and among them
# --utilities  libutility_0001.so, ..., which modules need: the linker finds them by RUNPATH $ORIGIN
# --functions  in each library
# --bytes      of data in each library
set -euo pipefail

libraries=100 utilities=20 functions=50 bytes=65536
while [[ ${1-} == --* && $# -ge 2 ]]; do
  case $1 in
    --libraries) libraries=$2 ;;
    --utilities) utilities=$2 ;;
    --functions) functions=$2 ;;
    --bytes) bytes=$2 ;;
    *) break ;;
  esac
  shift 2
done
usage() {
  sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
[[ $# -eq 1 && $1 != --* ]] || usage
# 10# below: a leading 0 is no octal number.
[[ $libraries$utilities$functions$bytes =~ ^[0-9]+$ ]] || usage
libraries=$((10#$libraries)) utilities=$((10#$utilities)) functions=$((10#$functions)) bytes=$((10#$bytes))
((libraries > utilities && bytes > 0)) || usage
directory=$1
mkdir -p "$directory"
sources=$(mktemp -d)
trap 'rm -rf "$sources"' EXIT

for ((u = 1; u <= utilities; u++)); do
  number=$(printf %04d "$u")
  {
    echo "__attribute__((used)) static char data[$bytes] = {1};"
    for ((f = 1; f <= functions; f++)); do echo "int utility_${number}_$f(int n) { return n + $f; }"; done
    echo "int utility_$number(void) { return $u; }"
  } >"$sources/utility_$number.c"
done
for ((m = 1; m <= libraries - utilities; m++)); do
  number=$(printf %04d "$m")
  {
    echo "__attribute__((used)) static char data[$bytes] = {1};"
    for ((f = 1; f <= functions; f++)); do echo "int module_${number}_$f(int n) { return n * $f; }"; done
    if ((utilities > 0)); then
      utility=$(printf %04d $(((m - 1) % utilities + 1)))
      echo "int utility_$utility(void);"
      echo "int entry(void) { return $m * 1000 + utility_$utility(); }"
      echo "-lutility_$utility" >"$sources/module_$number.needs"
    else
      echo "int entry(void) { return $m * 1000; }"
    fi
  } >"$sources/module_$number.c"
done

build() {
  local source=$1 name needs=''
  name=$(basename "$source" .c)
  [[ -f ${source%.c}.needs ]] && needs=$(<"${source%.c}.needs")
  # shellcheck disable=SC2086 # none or one
  "${CC:-cc}" -shared -fPIC -O0 -o "$directory/lib$name.so" "$source" \
    -Wl,-soname,"lib$name.so" -Wl,--enable-new-dtags -Wl,-rpath,'$ORIGIN' -L"$directory" $needs
}
export -f build
export directory
for kind in utility module; do
  find "$sources" -name "${kind}_*.c" -print0 | xargs -0 -r -n 1 -P "$(nproc)" bash -c 'set -e; build "$1"' build
done
