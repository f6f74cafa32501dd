#!/usr/bin/env bash
# Formats our C and C++ with clang-format; with --check only says what is not formatted.
set -euo pipefail
cd "$(dirname "$0")/.."

format=$(command -v clang-format-22 || command -v clang-format || true)
if [ -z "$format" ]; then
  echo "format: clang-format is not installed (apt-get install clang-format-22); C++ was not checked" >&2
  exit 0
fi
mapfile -t files < <(git ls-files '*.c' '*.h' '*.cpp' '*.hpp')
[ ${#files[@]} -gt 0 ] || exit 0
if [ "${1:-}" = --check ]; then
  "$format" --dry-run --Werror "${files[@]}"
else
  "$format" -i "${files[@]}"
fi
