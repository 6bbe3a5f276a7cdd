"""Figures: what was measured beside what is wanted, as a table and as JSON."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """How a figure stands; a bench only tells, so a miss is no error."""

    PASS = "PASS"
    MISS = "MISS"
    NONE = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table: the median of some runs. `at_least` and `at_most` say what is wanted."""

    what: str
    unit: str
    runs: Sequence[float]
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def measured(self) -> float:
        return statistics.median(self.runs)

    @property
    def mark(self) -> Mark:
        if self.at_least is None and self.at_most is None:
            return Mark.NONE
        low = self.at_least is not None and self.measured < self.at_least
        high = self.at_most is not None and self.measured > self.at_most
        return Mark.MISS if low or high else Mark.PASS

    @property
    def wanted(self) -> str:
        if self.at_least is not None:
            return f">= {number(self.at_least)}"
        return f"<= {number(self.at_most)}" if self.at_most is not None else ""

    def as_json(self) -> dict[str, object]:
        return {
            "what": self.what,
            "unit": self.unit,
            "measured": self.measured,
            "runs": list(self.runs),
            "at_least": self.at_least,
            "at_most": self.at_most,
            "mark": self.mark.value,
            "note": self.note,
        }


def number(value: float) -> str:
    """Three digits that count, thousands apart: 12,345 or 12.3 or 0.99."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(figures: Sequence[Figure]) -> str:
    """All figures as lines of text in columns."""
    rows = [("", "measured", "unit", "wanted", "", "runs", ""), *map(_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(_line(row, widths) for row in rows)


def _row(figure: Figure) -> tuple[str, ...]:
    runs = " ".join(number(run) for run in figure.runs) if len(figure.runs) > 1 else ""
    return (
        figure.what,
        number(figure.measured),
        figure.unit,
        figure.wanted,
        figure.mark.value,
        runs,
        figure.note,
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        cell.rjust(width) if column == 1 else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
