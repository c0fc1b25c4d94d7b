"""What the tensors are called and what they are for, from the file alone."""
