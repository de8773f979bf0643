def with_audacity(latency):
    raise NotImplementedError
