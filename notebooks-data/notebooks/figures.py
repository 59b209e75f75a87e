"""Colours, names and bars that the notebooks share."""

import matplotlib.pyplot as plt

# Okabe and Ito's palette, which readers with any colour vision can tell apart.
BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, YELLOW, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442", "#000000")

# The phases of a proof in the order in which they happen, with what they are called in pictures.
PHASES = {
    "forward_ms": ("forward pass", YELLOW),
    "commit_ms": ("commit", SKY),
    "lookups_ms": ("lookups", VERMILION),
    "einsums_ms": ("einsums", BLUE),
    "opening_ms": ("opening", GREEN),
    "other_ms": ("other", "#BBBBBB"),
}

# Protocols as the experiments' files write them, and short.
NAMES = {
    "{logkr: {form: square}}": "logkr square",
    "{logkr: {form: half-square}}": "logkr half-square",
    "{logkr: {form: product}}": "logkr product",
    "{lasso: {memory_check: logup}}": "lasso, logup check",
    "{lasso: {chunks: 1}}": "lasso, one chunk",
    "{einsum: sumcheck, lookup: logup-gkr}": "sumcheck + logup-gkr",
    "{einsum: sumcheck, lookup: logkr}": "sumcheck + logkr",
    "{einsum: sumcheck, lookup: lasso}": "sumcheck + lasso",
}

plt.rcParams.update({
    "figure.dpi": 110, "savefig.dpi": 110, "font.size": 10, "axes.titlesize": 11, "axes.titlelocation": "left",
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#E4E4E4",
    "axes.axisbelow": True, "legend.frameon": False, "figure.constrained_layout.use": True,
})


def short(protocol):
    """A protocol's name in pictures."""
    return NAMES.get(protocol, protocol)


def stacked(axes, cells, labels, phases=PHASES, whole=False, scale=1.0):
    """Horizontal bars of phases, one per row of `cells`, from the top down. `whole` adds a point with its deviation at the
    median of the whole proof, which is not the sum of the phases' medians."""
    places, left = range(len(cells)), [0.0] * len(cells)
    for column, (name, colour) in phases.items():
        width = (cells[column].fillna(0.0) * scale).tolist()
        axes.barh(places, width, left=left, color=colour, label=name, height=0.7, edgecolor="white", linewidth=0.5)
        left = [a + b for a, b in zip(left, width)]
    if whole:
        axes.errorbar(cells.prove_ms * scale, places, xerr=cells.prove_mad_ms * scale, fmt="o", ms=4, color=BLACK, capsize=3, lw=1,
                      label="whole proof\n± deviation")
    axes.set_yticks(places, labels)
    if not axes.yaxis_inverted():
        axes.invert_yaxis()
    axes.grid(axis="y", visible=False)


def powers_of_two(axes, values):
    """Ticks at powers of two on the x axis."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted(set(values)))
