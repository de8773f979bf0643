"""The network, and model files.

- network: the bias-free 1-D U-Net (Sechaud et al.)
- export: model files (ONNX) written, and read back for further training
"""
