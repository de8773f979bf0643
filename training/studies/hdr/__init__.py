"""The experiments of Sechaud et al. on images (section 5.4): high dynamic range from one exposure, whose bright pixels are saturated.

The images are the eighteen CC0 panoramas of the npm package `@pmndrs/assets`: `npm pack @pmndrs/assets@1.7.0` fetches it, and
`tar xzf pmndrs-assets-1.7.0.tgz` unpacks the folder `package` that the command takes.

- scenes: the images, and crops of them
- camera: exposure, saturation, the camera's curve and its eight bits
- splitting: unfolded half-quadratic splitting, the network of the paper
- classical: rivals without learning from saturated images: harmonic inpainting, and a denoiser plugged in
- table4: trains, measures, draws: `python -m declipper.training.studies.hdr.table4 PACKAGE`
"""
