#!/usr/bin/env bash
# Builds the plugin for Windows on a Debian machine, in ./build/windows, and compares what it renders under Wine with what that of
# ./build renders, which test.sh builds first: windows.sh
set -euo pipefail
cd "$(dirname "$0")"
windows="$PWD/build/windows" python="$PWD/build/venv/bin/python"
export DEBIAN_FRONTEND=noninteractive WINEPREFIX="$windows/wine/prefix" WINEDEBUG=-all
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo DEBIAN_FRONTEND=$DEBIAN_FRONTEND "$@"; fi; }
as_root apt-get update -qq
as_root apt-get install -qq --no-install-recommends g++-mingw-w64-x86-64-posix wine wine64 > /dev/null
mkdir -p "$WINEPREFIX" "$windows/include"
ln -sfn "$(pkg-config --variable=includedir lv2)/lv2" "$windows/include/lv2"  # of what lies beside it, MinGW must see nothing
cmake -S . -B "$windows" -G Ninja -DCMAKE_TOOLCHAIN_FILE="$PWD/windows.cmake" -DPython3_EXECUTABLE="$python" \
  -DCMAKE_CXX_FLAGS="-isystem $windows/include" > /dev/null
cmake --build "$windows"
ctest --test-dir "$windows" --output-on-failure
"$python" ../wine.py "$windows/wine" pedalboard
"$python" -m pytest -q tests/test_windows.py -c /dev/null --rootdir tests
