"""What clipping is: arrays, levels, the clipping operator and its inverse, and windows.

- arrays: the array types that signatures name, and what counts in place of samples that are not numbers
- levels: clip levels over time, the clipping operator h, and which samples it leaves reliable (Sechaud et al., eq. 1)
- runs: runs of clipped samples with a bound each, where no level describes what was cut off
- overflow: samples that wrapped around full scale, and their way back
- signal: a recording and its levels as one value, with the mask, side and level of every sample worked out once
- blend: joins an estimate and a recording so that reliable samples stay and clipped ones never fall below their level
- windows: lengths that follow the sample rate, where windows begin, and the Hann window
"""
