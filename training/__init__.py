"""Learning and measuring: everything that needs torch or corpora lives here and is never imported by `import declipper`."""
