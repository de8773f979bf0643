"""The networks, and model files.

- spectral: weighs estimates by their spectra, bin by bin: the network of new models for recordings
- spectrum: the short-time spectra that it works on
- network: the bias-free 1-D U-Net (Sechaud et al.)
- planar: the same for images
- shapes: the hyperparameters that model files record, read within bounds
- kinds: which of the two a recorded shape belongs to
- export: model files (ONNX) written, and read back for further training
"""
