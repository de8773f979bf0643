"""Writes what the plugin's core takes from Python: python flat.py MODEL.onnx FLAT HEADER DEPFILE. The build calls it.

FLAT: the model's network as the flat file that the plugin embeds (declipper/plugins/flat.py). HEADER: the numbers that C++ and Python share
(declipper/plugins/constants.py). DEPFILE: for the build, the Python files that the header depends on.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # a build uses the package beside it, installed or not

from header import header, sources

from declipper.engine.model_file import ModelFile
from declipper.plugins.constants import shared
from declipper.plugins.flat import Hyperparameters, flat

if __name__ == "__main__":
    target, constants, depfile = map(Path, sys.argv[2:])
    model = ModelFile.read(Path(sys.argv[1]))
    target.write_bytes(flat(model))
    constants.write_text(header(shared(Hyperparameters.of(model))), encoding="utf-8")
    depfile.write_text(f"{target} {constants}: " + " ".join(str(path).replace(" ", "\\ ") for path in sources()), encoding="utf-8")
