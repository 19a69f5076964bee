"""Figures with their intervals as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

UNDEFINED = "–"
"""Shown for an undefined figure."""


def format_interval(figure: Mapping[str, Any], scale: float = 100) -> str:
    """Format a figure and its interval: ``93.5 [91.2, 95.6]``; a dash if it is undefined.

    Args:
        figure: with "value", "low" and "high".
        scale: factor of all three; 100 shows shares as percentages.
    """
    if math.isnan(figure["value"]):
        return UNDEFINED
    value, low, high = (scale * figure[part] for part in ("value", "low", "high"))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def format_difference(figure: Mapping[str, Any]) -> str:
    """Format a paired difference in percentage points: ``+1.2 [+0.3, +2.1], p 0.004``; a dash if it is undefined.

    Args:
        figure: with "value", "low", "high" and "p".
    """
    if math.isnan(figure["value"]):
        return UNDEFINED
    value, low, high = (100 * figure[part] for part in ("value", "low", "high"))
    p = f"{figure['p']:.3f}" if figure["p"] >= 0.001 else "<0.001"
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}], p {p}"
