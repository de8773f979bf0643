"""Restores a signal while it is being played.

- chain: timelines, worker, recorder and monitor put together, and the meters read; begin here
- transport: drives a chain in real time with a device, or without one as fast as it goes
- devices: audio devices through PortAudio
- player: the process that has the device
- monitor: what the audio callback does
- worker: the process that restores
- core: what restores in it, the plugin's core or Python
- ring_buffer: the last seconds of a signal, shared between processes without a lock
- feed: a recording or a pipe in place of an input device
- recorder: recordings that are whole however the program ends
"""
