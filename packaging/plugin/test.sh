#!/usr/bin/env bash
# Builds the plugin on a Debian machine and passes its tests, in ./build: test.sh [MODEL.onnx]
set -euo pipefail
model=$(realpath "${1:-$(dirname "$0")/../../models/live.onnx}")
cd "$(dirname "$0")"
export DEBIAN_FRONTEND=noninteractive
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo DEBIAN_FRONTEND=$DEBIAN_FRONTEND "$@"; fi; }
as_root apt-get update -qq
as_root apt-get install -qq --no-install-recommends cmake dpf-source ecasound ffmpeg g++ jackd2 jalv libgl-dev libgl1-mesa-dri libx11-dev \
  lilv-utils lv2-dev ninja-build pkg-config python3-venv qtractor sordi xvfb > /dev/null
python3 -m venv build/venv
build/venv/bin/pip install -q ../.. pytest onnx JACK-Client pedalboard minihost dawdreamer
# only the gain plugin that the cost is compared with; installed for all, the others disturb some hosts
(mkdir -p build/examples && cd build/examples && apt-get download -qq lv2-examples && dpkg -x lv2-examples_*.deb .)
cmake -S . -B build -G Ninja -DPython3_EXECUTABLE="$PWD/build/venv/bin/python" -DMODEL="$model" > /dev/null
cmake --build build
ctest --test-dir build --output-on-failure
cmake -S . -B build/sanitized -G Ninja -DPython3_EXECUTABLE="$PWD/build/venv/bin/python" -DSANITIZE=ON -DMODEL="$model" > /dev/null
cmake --build build/sanitized --target test_hop_stream test_model test_stream
ctest --test-dir build/sanitized --output-on-failure
build/venv/bin/python -m pytest -q tests -c /dev/null --rootdir tests
build/venv/bin/declipper plugin install --from build/bin --dest build/installed
build/venv/bin/declipper plugin doctor --dest build/installed
