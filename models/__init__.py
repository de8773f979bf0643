"""The model files that come with the package; `models/README.md` is their card."""
