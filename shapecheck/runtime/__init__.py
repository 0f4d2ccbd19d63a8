"""Real tensors → what they were, line by line: recorded, compared with annotations and with what was predicted."""
