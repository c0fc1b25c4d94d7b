"""Keras and TensorFlow warn of each other and of themselves while they write the files: let them."""

import pytest


def pytest_collection_modifyitems(items):
    for item in items:
        if item.nodeid.startswith(("tests/names/", "tests/operations/match/test_by_name.py")):
            item.add_marker(pytest.mark.filterwarnings("ignore"))
