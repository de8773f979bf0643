"""Table 3 of Sechaud et al.: a diffusion model of solo piano against networks that were trained to declip.

- denoiser: the model, a network that removes noise from spectra
- posterior: drawing from what the model believes possible, given a clipped recording, after Moliner, Lehtinen and Välimäki ("Solving audio
  inverse problems with a diffusion model", ICASSP 2023)
- table3: trains, measures, writes: `python -m declipper.training.studies.diffusion.table3`
"""
