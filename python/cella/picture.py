# SPDX-License-Identifier: Apache-2.0
"""A provenance view as a picture: one SVG file without scripts or anything from elsewhere, for light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from .encoding import one_line

if TYPE_CHECKING:
    from .lineage import Provenance

BOXES_MAX = 400
"""Boxes in a picture; it says how many more there are."""
ROW = 5
"""Boxes side by side; a layer with more of them goes on below."""
WIDTH, HEIGHT, GAP, RISE, MARGIN = 270, 96, 24, 56, 24
TEXT, TAIL = 34, 10
"""Columns of text in a line of a box, and how many of them show the end of a line that is too long: ids differ there."""
_STYLE = """
svg { background: #ffffff; font: 12px monospace }
text { fill: #1b1b1b } .small { fill: #555555 }
rect { fill: #f2f4f7; stroke: #66707c; stroke-width: 1.5 } path { fill: none; stroke: #66707c; stroke-width: 1.5 }
.accepted { stroke: #1a7f37; stroke-width: 2.5 } .refused { stroke: #c62828; stroke-width: 2.5 }
.missing, .input { fill: #ffffff } .missing { stroke: #b35900; stroke-dasharray: 6 4 } .digest { stroke-dasharray: 2 4 }
#tip path { fill: #66707c; stroke: none }
@media (prefers-color-scheme: dark) {
svg { background: #16191d } text { fill: #e8e8e8 } .small { fill: #a9b0b8 }
rect { fill: #242a31; stroke: #98a2ad } path { stroke: #98a2ad } #tip path { fill: #98a2ad }
.accepted { stroke: #4cc26a } .refused { stroke: #ff6b6b } .missing, .input { fill: #16191d } .missing { stroke: #f0a050 }
}"""


@dataclass
class _Box:
    """A box: its lines, its looks, the boxes that lead to it (and whether by digest only), how far back it is."""

    lines: list[str]
    look: str
    round: int
    before: list[tuple[object, bool]]
    depth: int = 0
    x: int = 0
    y: int = 0


def _cut(text: str) -> str:
    """In one line that fits into a box, whatever the script."""
    line = one_line(text)
    limit = TEXT // 2 if any(east_asian_width(character) in "WF" for character in line) else TEXT
    tail = TAIL * limit // TEXT
    return line if len(line) <= limit else f"{line[: limit - tail - 1]}…{line[-tail:]}"


def _boxes(view: Provenance) -> dict[object, _Box]:
    """Boxes by name, each before those that lead to it: runs, parents that are missing, inputs that nothing given made."""
    from .lineage import SHORT, named, origin

    boxes: dict[object, _Box] = {}
    for node in view.nodes:
        made = ", ".join(named(item.name) for item in node.outputs)
        kind = "run" if node.kind == "execution" else "deletion"
        function = f"function {node.function.hex()[:SHORT]}" if node.function else ""
        lines = [f"{kind} {named(node.subject)}", node.judgement(), function if node.known else "content not supplied",
                 f"makes {made}" if made else ""]
        box = _Box(lines, node.verdict.replace(" ", "-"), 4, [(leaf, leaf not in node.parents) for leaf in node.before()])
        boxes[node.leaf] = box
        box.before += [((node.leaf, number), False) for number, source in enumerate(node.inputs) if origin(source)]
    for leaf in view.missing:
        boxes[leaf] = _Box([f"parent {leaf.hex()[:SHORT]}", "NOT SUPPLIED"], "missing", 4, [])
    for node in view.nodes:
        for number, source in enumerate(node.inputs):
            if origin(source):
                said = f"and {source.more} more receipts" if source.more else "no receipt given made it"
                digest = f"{source.item.digest.hex()[:SHORT]}, {source.item.size} bytes"
                boxes[node.leaf, number] = _Box([f"input {named(source.item.name)}", digest, said], "input", HEIGHT // 2, [])
    return boxes


def _place(boxes: dict[object, _Box]) -> tuple[int, int]:
    """Give every box its place; what leads to a box is below it. Returns width and height."""
    rank = {name: number for number, name in enumerate(boxes)}
    for name, box in boxes.items():
        for before, _ in box.before:
            if before in boxes and rank[before] > rank[name]:
                boxes[before].depth = max(boxes[before].depth, box.depth + 1)
    layers: dict[int, list[_Box]] = {}
    for box in boxes.values():
        layers.setdefault(box.depth, []).append(box)
    widest = min(ROW, max(map(len, layers.values())))
    width, y = 2 * MARGIN + widest * WIDTH + (widest - 1) * GAP, MARGIN
    for depth in sorted(layers):
        for start in range(0, len(layers[depth]), ROW):
            row = layers[depth][start : start + ROW]
            x = (width - len(row) * WIDTH - (len(row) - 1) * GAP) // 2
            for box in row:
                box.x, box.y, x = x, y, x + WIDTH + GAP
            y += HEIGHT + RISE
    return width, y - RISE + MARGIN


def _arrows(boxes: dict[object, _Box]) -> Iterator[str]:
    for box in boxes.values():
        for before, by_digest in box.before:
            if before not in boxes:
                continue
            other, x, y = boxes[before], box.x + WIDTH // 2, box.y + HEIGHT
            start, bend = other.x + WIDTH // 2, RISE // 2
            look = ' class="digest"' if by_digest else ""
            yield (f'<path{look} d="M{start} {other.y} C{start} {other.y - bend} {x} {y + bend + 8} {x} {y + 8}" '
                   'marker-end="url(#tip)"/>')


def _drawn(box: _Box) -> Iterator[str]:
    yield f'<rect class="{box.look}" x="{box.x}" y="{box.y}" width="{WIDTH}" height="{HEIGHT}" rx="{box.round}"/>'
    lines = [line for line in box.lines if line]
    top = box.y + (HEIGHT - 20 * len(lines)) // 2 + 15
    for number, line in enumerate(lines):
        look = ' class="small"' if number else ""
        yield (f'<text{look} x="{box.x + WIDTH // 2}" y="{top + 20 * number}" text-anchor="middle">'
               f"<title>{escape(one_line(line))}</title>{escape(_cut(line))}</text>")


def draw(view: Provenance) -> str:
    """A picture of a view: the output's run on top, what led to it below.

    Args:
        view: of cella.provenance.

    Returns:
        SVG. Names from receipts are escaped and without control characters. Solid lines are signed parents and inputs; dotted
        ones join what has the same digest.
    """
    every = _boxes(view)
    boxes = dict(list(every.items())[:BOXES_MAX])
    width, height = _place(boxes)
    notes = ["Solid: the run's own statement names it. Dotted: the digest is the same."]
    if not view.complete:
        notes.append("NOT COMPLETE: something that led to it was not supplied.")
    if len(every) > len(boxes):
        notes.append(f"{len(every) - len(boxes)} more are not drawn: see the text or JSON.")
    if view.unconnected:
        notes.append(f"{len(view.unconnected)} receipts that were given did not lead to it.")
    width = max(width, 560)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height + 20 * len(notes)}" '
        f'viewBox="0 0 {width} {height + 20 * len(notes)}" role="img">',
        f"<title>Provenance of {escape(one_line(view.root.subject))}</title>", f"<style>{_STYLE}\n</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z"/></marker></defs>',
        *_arrows(boxes),
    ]
    for box in boxes.values():
        parts += _drawn(box)
    parts += [f'<text class="small" x="{MARGIN}" y="{height + 20 * number}">{note}</text>' for number, note in enumerate(notes)]
    return "\n".join([*parts, "</svg>", ""])
