#!/usr/bin/env bash
# Brings a fresh clone to the point where the demo and the tests run: system packages, npm packages, the native
# shims, the TypeScript build and, with --samples, the sample libraries; with --llvm-bindings, that package for its tests.
# With --native-only, and always where the package is a dependency (`npx fromsource-setup`), only what the native shims
# need, and the shims. Every stage is skipped when its inputs have not changed since it last succeeded, so a second run
# takes a fraction of a second. It never asks a question. A stage that fails says what to do, and the ones that can do
# without it go on: the library has a loader that needs no shim.
set -uo pipefail
# npm links to this file from node_modules/.bin.
cd "$(dirname "$(readlink -f "$0")")/.." || exit 1

say() { printf 'setup: %s\n' "$*"; }
native_only='' samples='' bindings=''
[ -e tsconfig.build.json ] || native_only=yes
for option in "$@"; do
  case $option in
    --samples) samples=yes ;;
    --llvm-bindings) bindings=yes ;;
    --native-only) native_only=yes ;;
    *) say "unknown option $option; there are --samples, --llvm-bindings and --native-only"; exit 1 ;;
  esac
done

stamps=native-shims/.setup
mkdir -p "$stamps"
export DEBIAN_FRONTEND=noninteractive

# Everything compiles with clang 22; the shim links LLVM 22's ORC and JITLink statically, which needs their -dev
# packages and the compression libraries that those name.
packages=(clang-22 lld-22 llvm-22-dev libclang-22-dev libclang-rt-22-dev libpolly-22-dev libzstd-dev zlib1g-dev g++ cmake ninja-build)
# Where the package sources have no LLVM 22: enough for the loader that needs no shim.
fallback_packages=(clang g++)
# libstb-dev is a sample; gdb and pkg-config are for their tests.
if [ -z "$native_only" ]; then
  packages+=(libstb-dev clang-format-22 gdb pkg-config)
  fallback_packages+=(libstb-dev pkg-config)
fi
# The same, but no two releases of one of these can be installed: a machine that has another one keeps it.
test_packages=(libomp-22-dev libc++-22-dev libc++abi-22-dev)

# The digest that decides whether a stage must run again: names and contents of what it reads.
digest() { find "$@" -type f -not -path '*/build/*' -not -path '*/.setup/*' -not -path '*/.cache/*' -not -path '*/results/*' -print0 2>/dev/null |
  sort -z | xargs -0 sha256sum 2>/dev/null | sha256sum | cut -c1-64; }
fresh() { [ "$(cat "$stamps/$1" 2>/dev/null)" = "$2" ]; }

# run STAGE COMMAND…: runs it with its output in a log, a line when it starts, a sign of life every ten seconds, and
# on failure the end of the log.
run() {
  local stage=$1 log="$stamps/$1.log" start=$SECONDS child
  shift
  printf 'setup: %s …\n' "$stage"
  "$@" >"$log" 2>&1 </dev/null &
  child=$!
  trap 'kill "$child" 2>/dev/null; exit 130' INT TERM
  local beat=10
  while kill -0 "$child" 2>/dev/null; do
    sleep 0.2
    if [ $((SECONDS - start)) -ge $beat ]; then
      say "  $stage: $beat s, $(tail -n 1 "$log" | tr -d '\r' | cut -c1-90)"
      beat=$((beat + 10))
    fi
  done
  wait "$child"
  local code=$?
  trap - INT TERM
  if [ $code -eq 0 ]; then
    say "  $stage: done in $((SECONDS - start)) s"
  else
    say "  $stage: failed with exit code $code. The end of $log:"
    tail -n 15 "$log" | sed 's/^/    /'
  fi
  return $code
}

missing_packages() {
  local installed
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | sed -n 's/ installed$//p')
  for package in "$@"; do
    grep -qxF -- "$package" <<<"$installed" || printf '%s ' "$package"
  done
}

install_packages() {
  local wanted missing extra='' as_root=()
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || {
    command -v clang >/dev/null || command -v gcc >/dev/null ||
      say 'this is no Debian or Ubuntu: install clang 22, LLVM 22 with its development files, cmake and ninja yourself'
    return
  }
  wanted=("${packages[@]}")
  [ -e "$stamps/no-llvm-22" ] && wanted=("${fallback_packages[@]}")
  missing=$(missing_packages "${wanted[@]}")
  if [ -z "$native_only" ] && [ ! -e "$stamps/no-llvm-22" ] && [ ! -e "$stamps/no-test-packages" ]; then
    extra=$(missing_packages "${test_packages[@]}")
  fi
  [ -n "$missing$extra" ] || return

  if [ "$(id -u)" -ne 0 ]; then
    if sudo -n true 2>/dev/null; then
      as_root=(sudo -n env DEBIAN_FRONTEND=noninteractive)
    else
      say 'no rights to install packages, going on with what this machine has. To install them, run:'
      say "  sudo apt-get update && sudo apt-get install -y --no-install-recommends $missing$extra"
      return
    fi
  fi
  # Without the option it is a success that a source could not be reached.
  local is_updated=''
  run apt-update "${as_root[@]}" apt-get -o APT::Update::Error-Mode=any update && is_updated=yes
  if [ ! -e "$stamps/no-llvm-22" ] && ! apt-cache show llvm-22-dev >/dev/null 2>&1; then
    # That no list has it says something only when there are lists, and they are those of now.
    if [ -n "$is_updated" ] && apt-cache show g++ >/dev/null 2>&1; then
      say "this system's package sources have no LLVM 22: the shared-object loader will be used."
      say "  For the JIT loader add LLVM's own package source for version 22, delete $PWD/$stamps and run this again."
      : >"$stamps/no-llvm-22"
    else
      say 'the package lists could not be updated, and have no LLVM 22. Run this again when the package sources can be'
      say '  reached; until then the shared-object loader will be used.'
    fi
    missing=$(missing_packages "${fallback_packages[@]}") extra=''
  fi
  local install=("${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends)
  # shellcheck disable=SC2086 # lists of package names
  if [ -n "$missing" ]; then run packages "${install[@]}" $missing || return; fi
  # shellcheck disable=SC2086
  if [ -n "$extra" ] && ! run test-packages "${install[@]}" --no-remove $extra; then
    say "  going on without: tests of OpenMP and libc++ are skipped. Delete $PWD/$stamps to try again."
    : >"$stamps/no-test-packages"
  fi
}

install_node_modules() {
  local now
  now=$(digest package.json package-lock.json)
  if fresh npm "$now" && [ -d node_modules/koffi ]; then return; fi
  run npm npm ci --no-fund --no-audit --loglevel=error || return 1
  echo "$now" >"$stamps/npm"
}

build_shims() {
  local now dir=/usr/lib/llvm-22/lib/cmake/llvm
  [ -n "${LLVM_DIR:-}" ] && dir=$LLVM_DIR
  if ! [ -d "$dir" ] || ! command -v cmake >/dev/null || ! command -v ninja >/dev/null; then
    say 'LLVM 22, cmake or ninja is not there: the JIT loader is not built, the shared-object loader will be used'
    return 1
  fi
  now=$(digest native-shims)
  if fresh native "$now" && [ -e native-shims/build/libfromsource_orc.so ]; then return; fi
  run native-configure cmake -S native-shims -B native-shims/build -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DLLVM_DIR="$dir" && run native-build cmake --build native-shims/build && echo "$now" >"$stamps/native"
}

build_typescript() {
  local now
  now=$(digest src bench vendor-samples test/parity.ts build.mjs tsconfig*.json package-lock.json)
  if fresh typescript "$now" && [ -e dist/index.js ]; then return; fi
  build_both() {
    rm -rf dist dist-tools
    node build.mjs && node_modules/.bin/tsc -p tsconfig.build.json &&
      node_modules/.bin/tsc -p tsconfig.tools.json
  }
  run typescript build_both || return 1
  echo "$now" >"$stamps/typescript"
}

# What V8 makes of the start of the package, kept for this Node: a load that the cache answers is 5 ms shorter. Where it
# can't be kept, V8 makes it each time.
build_start_code() {
  local now
  [ -e dist/start.script.js ] || return
  now="$(digest dist/start.script.js start-code.mjs) $(node --version)"
  # Building the same text once more removes it.
  if fresh start-code "$now" && compgen -G 'dist/start-*.code' >/dev/null; then return; fi
  run start-code node start-code.mjs && echo "$now" >"$stamps/start-code"
}

# The addon of llvm-bindings, for the tests alone: LLVM 14 and 47 files of C++, a minute of processor time. npm runs none of its
# install scripts, which get Node's headers from the network; CMakeLists.txt there does their work without.
build_llvm_bindings() {
  local now dir=test/llvm-bindings config=/usr/lib/llvm-14/lib/cmake/llvm as_root=() compiler=()
  now=$(digest "$dir/package-lock.json" "$dir/CMakeLists.txt")
  if fresh llvm-bindings "$now" && [ -e "$dir/node_modules/llvm-bindings/build/llvm-bindings.node" ]; then return; fi
  if ! [ -d "$config" ] && apt-cache show llvm-14-dev >/dev/null 2>&1; then
    [ "$(id -u)" -eq 0 ] || as_root=(sudo -n env DEBIAN_FRONTEND=noninteractive)
    run llvm-14 "${as_root[@]}" apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends llvm-14-dev
  fi
  if ! [ -d "$config" ] || ! command -v cmake >/dev/null || ! command -v ninja >/dev/null; then
    say 'LLVM 14, cmake or ninja is not there: the tests of llvm-bindings are skipped'
    return
  fi
  # In a third less of the time that g++ takes.
  command -v clang++-22 >/dev/null && compiler=(-DCMAKE_CXX_COMPILER=clang++-22)
  run llvm-bindings-npm npm ci --prefix "$dir" --ignore-scripts --no-fund --no-audit --loglevel=error &&
    run llvm-bindings-configure cmake -S "$dir" -B "$dir/node_modules/.build" -G Ninja "${compiler[@]}" \
      -DLLVM_DIR="$config" &&
    run llvm-bindings-build cmake --build "$dir/node_modules/.build" && echo "$now" >"$stamps/llvm-bindings" && return
  say 'llvm-bindings is not built: its tests are skipped'
}

node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' || {
  say "Node 20.19 or newer is needed; this is $(node --version 2>/dev/null || echo 'no Node at all')"
  exit 1
}
install_packages
if [ -n "$native_only" ]; then
  build_shims
  build_start_code
  exit
fi
install_node_modules || exit 1
build_shims
build_typescript || exit 1
build_start_code
[ -z "$bindings" ] || build_llvm_bindings
[ -z "$samples" ] || node vendor-samples/fetch.mjs
