"""Fuzzing: hostile bytes for every parser, with checksums and lengths put right so that they get past the gate."""
