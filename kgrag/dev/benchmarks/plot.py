"""Plot of the retrieval table: bars of recall@5 for every set and row, with their intervals."""

from __future__ import annotations

from pathlib import Path

from kgrag.dev.benchmarks.retrieval_table import RetrievalTable

MEASURE = "recall@5"
_WIDTH, _HEIGHT = 1.6, 4.2
"""Inches: width of a set's group for each six rows, and height of the picture."""


def plot_recall(report: RetrievalTable, folder: Path) -> list[Path]:
    """Draw ``recall.svg`` and ``recall.png`` into ``folder``, which is created; return their paths.

    Args:
        report: the table; a row that a set lacks leaves a gap there.
        folder: the output folder.

    Raises:
        ImportError: matplotlib, of the extra ``bench``, is not installed.
    """
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "kgrag"  # the same table gives the same file
    from matplotlib import pyplot

    sets = report["sets"]
    rows = list(dict.fromkeys(row for part in sets.values() for row in part["rows"]))
    figure, axes = pyplot.subplots(figsize=(2 + _WIDTH * len(sets) * max(1, len(rows) / 6), _HEIGHT))
    colours = pyplot.get_cmap("tab20")
    width = 0.84 / len(rows)
    for number, row in enumerate(rows):
        places, heights, errors = [], [], []
        for group, part in enumerate(sets.values()):
            if row in part["rows"]:
                measure = part["rows"][row][MEASURE]
                places.append(group + (number - (len(rows) - 1) / 2) * width)
                heights.append(100 * measure["value"])
                errors.append([100 * (measure["value"] - measure["low"]), 100 * (measure["high"] - measure["value"])])
        error = list(zip(*errors, strict=True))
        axes.bar(places, heights, width, yerr=error, label=row, color=colours(number % 20), error_kw={"linewidth": 0.7})
    axes.set_xticks(range(len(sets)), list(sets))
    axes.set_ylim(0, 105)
    axes.set_ylabel(f"{MEASURE}, 95 % intervals")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize="small")
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / "recall.svg", folder / "recall.png"]
    for path in paths:
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        figure.savefig(path, bbox_inches="tight", dpi=160, metadata=metadata)
    pyplot.close(figure)
    return paths
