"""What projects have stored with versions before this one is understood."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from material import BUILD, CLAP, LEVEL, RATE, VST3, given, piped
from test_output import rendered

OF_CLAP = (
    b"__dpf_parameters_begin__\0auto\x000\0thresh_pos\0-6.1\0thresh_neg\0-3.5\0link\x000\0ceiling\x0024\0"
    b"makeup\0-6\0mix\x0050\0delta\x000\0dpf_bypass\x000\0__dpf_parameters_end__\0\xfe\0"
)
"""As the first version wrote it, which did not have the parameter `model`."""
OF_VST3 = (
    b'VC2!3\x01\x00\x00<?xml version="1.0" encoding="UTF-8"?> <VST3PluginState><IComponent>'
    b"153.e8EYvY1WvElbg0VYzUlby8kXkcVZt80W.DVcz8F.v..cnIWYyg1Wv81b..C.zglbkMGZe4VYmAPKy3BM4jSN4jSMxLSL1..a"
    b"o41Z..C.iUVZrklamAfLz.PagsVY0AG.sXC.skFd.DCLv..YkwFcgAPL.PFbl8kX4AWXyMG.w.vWeQFbl8EbgIWXsUFckI2beUlaj80W.3O."
    b"</IComponent></VST3PluginState>\x00"
)
"""Likewise, as pedalboard keeps it."""


def test_clap(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(OF_CLAP)
    found = piped([str(BUILD / "tests/clap_host"), str(CLAP), str(RATE), "2", "480", f"state={tmp_path / 'state'}"], given())
    wanted = rendered(given(), auto=0, thresh_pos=-6.1, thresh_neg=-3.5, makeup=-6, mix=50)
    np.testing.assert_array_equal(found, wanted)
    assert np.mean(wanted[given() == LEVEL] > 0.51 * LEVEL) > 0.2


def test_vst3() -> None:
    import pedalboard

    plugin = pedalboard.load_plugin(str(VST3))
    plugin.raw_state = OF_VST3
    assert plugin.makeup_db == pytest.approx(-6.0, abs=0.1)
    assert plugin.threshold_negative_db == pytest.approx(-3.5, abs=0.1)
    assert (plugin.delta, plugin.bypass, plugin.automatic) == (True, True, False)
