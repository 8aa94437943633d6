"""Reads the counts of an A/B test from a CSV file: counts by arm, or one row a unit."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

from rolloutctl.core.stats.counted import Counted
from rolloutctl.errors import NotFound

#: Rows of one file; a row a unit of a month's test.
ROWS_MAX = 20_000_000
#: Arms of one file; more are values of another column.
ARMS_MAX = 100
CONTROL = "control"


def read_arms(path: Path) -> dict[str, Counted]:
    """Successes and units by arm: control first, the others in the file's order.

    Rows of one arm are added up. Without a column `total` every row is a unit, and
    `success` is 0 or 1.

    Raises:
        NotFound: the file cannot be read.
        ValueError: it is empty, lacks a column, or a row holds no counts; with its line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            columns = {name.strip().lower(): name for name in reader.fieldnames or () if name}
            lacking = [name for name in ("arm", "success") if name not in columns]
            if lacking:
                raise ValueError(
                    f"{path}: no column {' and no column '.join(lacking)}; the first line names "
                    "the columns: arm,success,total"
                )
            arms = _summed(reader, columns, path)
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror}", hint="name a readable CSV file") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a CSV file in UTF-8: {error}") from error
    if not arms:
        raise ValueError(f"{path}: no rows below the names of the columns")
    first = next((name for name in arms if name.lower() == CONTROL), next(iter(arms)))
    return {first: arms.pop(first), **arms}


def _summed(
    reader: csv.DictReader[str], columns: Mapping[str, str], path: Path
) -> dict[str, Counted]:
    arms: dict[str, Counted] = {}
    for row in reader:
        if reader.line_num > ROWS_MAX:
            raise ValueError(f"{path}: more than {ROWS_MAX} rows; add them up by arm first")
        where = f"{path}:{reader.line_num}"
        name = (row[columns["arm"]] or "").strip()
        if not name:
            raise ValueError(f"{where}: no name of an arm")
        if name not in arms and len(arms) >= ARMS_MAX:
            raise ValueError(f"{where}: more than {ARMS_MAX} arms; is `arm` another column?")
        success = _count(row[columns["success"]], where)
        total = _count(row[columns["total"]], where) if "total" in columns else 1.0
        if success > total:
            raise ValueError(f"{where}: {success:g} successes of {total:g} units")
        before = arms.get(name, (0.0, 0.0))
        arms[name] = (before[0] + success, before[1] + total)
    return arms


def _count(text: str | None, where: str) -> float:
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf or number != int(number):
        raise ValueError(f"{where}: {text!r:.40} is not a count")
    return number
