"""Small files that claim very much, through the command line: one error or what is whole, in bounded memory."""

import pytest
from bombs import BOMBS
from watched import watch

QUICK = {
    "shared_keys", "no_entries_at_all", "same_key", "snappy", "overlapping_blocks", "many_dimensions", "many_slices",
    "slices_that_cut_everything", "object_graph", "saved_model_pb", "empty_strings", "wide_strings", "state_file",
    "v1_meta", "chunks_of_one", "unwritten", "config_of_empty_lists", "config_of_wide_text",
}  # fmt: skip
"""Those whose listing says all; the others take minutes to write or to read to their end."""


@pytest.mark.parametrize("make", [bomb for bomb in BOMBS if bomb.__name__ in QUICK], ids=lambda make: make.__name__)
def test_a_bomb_is_refused_in_little_memory(make, tmp_path):
    path = make(tmp_path)
    for command in (["inspect", path], ["show", path, "s"]):
        ran = watch(*command)
        assert not [rule for rule in ran.broken_rules() if "error of numpy" not in rule], (command, ran)
