"""A report as a pandas DataFrame. pandas is not a dependency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ckptread.errors import UsageError
from ckptread.reports.report import Report

if TYPE_CHECKING:
    import pandas


def data_frame(report: Report) -> pandas.DataFrame:
    """Return the report's records, one a row; fields within fields become columns: ``statistics.mean``."""
    try:
        import pandas
    except ImportError:
        raise UsageError("to_pandas needs pandas: pip install pandas") from None
    return pandas.json_normalize([msgspec.to_builtins(record) for record in report.records()])
