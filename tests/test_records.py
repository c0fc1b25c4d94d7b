"""Our dataclasses are the standard library's in all that is used of them."""

import copy
import dataclasses
import pickle

import pytest

from ckptread import records
from ckptread.tensors import Extent, TensorInfo


def made_by(library, **options):
    @library.dataclass(**options)
    class Row:
        """A row."""

        name: str
        count: int = 3
        found: list = library.field(default_factory=list)
        hidden: object = library.field(default=None, compare=False, repr=False)

        @property
        def double(self):
            return 2 * self.count

    return Row


OPTIONS = [{"frozen": frozen, "slots": slots} for frozen in (True, False) for slots in (True, False)]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_records_are_made_shown_and_compared_as_by_the_standard_library(options):
    ours, theirs = (made_by(library, **options) for library in (records, dataclasses))
    for given, named in [(("a",), {}), (("a", 4), {"hidden": 5}), ((), {"name": "b", "found": [1]})]:
        row, other = ours(*given, **named), theirs(*given, **named)
        assert repr(row) == repr(other)
        assert records.asdict(row) == dataclasses.asdict(row) == dataclasses.asdict(other)
        assert row.double == other.double
        assert row == ours(*given, **named)
        assert row != other
    assert ours("a", hidden=1) == ours("a", hidden=2)
    assert ours("a") != ours("a", 4)
    assert ours("a").found is not ours("a").found
    assert (ours.__doc__, ours.__match_args__) == (theirs.__doc__, theirs.__match_args__)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_only_records_that_are_not_frozen_can_be_changed(options):
    row = made_by(records, **options)("a")
    if options["frozen"]:
        with pytest.raises(AttributeError):
            row.count = 5
        with pytest.raises(AttributeError):
            del row.count
    else:
        row.count = 5
        assert row.count == 5


@pytest.mark.parametrize("given", [((), {}), (("a", 1, [], None, 5), {}), (("a",), {"other": 1})])
def test_wrong_arguments_are_refused(given):
    with pytest.raises(TypeError):
        made_by(records, frozen=True)(*given[0], **given[1])


def test_records_are_replaced_copied_and_pickled():
    info = TensorInfo("w", (2, 3), "float32", 24, Extent("file", 8, 24))
    assert records.replace(info, variable="kernel") == dataclasses.replace(info, variable="kernel")
    assert records.replace(info, variable="kernel").extent is info.extent
    assert records.asdict(info) == dataclasses.asdict(info)
    assert copy.deepcopy(info) == pickle.loads(pickle.dumps(info)) == info
    assert {info: 1}[TensorInfo("w", (2, 3), "float32", 24, Extent("file", 8, 24))] == 1
    assert dataclasses.is_dataclass(TensorInfo)
    assert [field.name for field in dataclasses.fields(Extent)][:3] == ["file", "offset", "nbytes"]
