"""What a training or test run does around its steps: keep, resume, record, refuse."""
