"""Plain SVG: bars on a logarithmic scale, and lines. Readable on light and dark ground."""

import math
from html import escape
from typing import Final

WIDTH: Final = 760
_LEFT, _RIGHT, _ROW = 190, 90, 22
_COLOURS: Final = ("#2f7d4f", "#c2703d", "#4a6fa5", "#8a5a9e")
_HEAD: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
    '<rect width="100%" height="100%" fill="#fff"/><text x="10" y="20" font-size="14" font-weight="bold">{title}</text>'
)


def bars(title: str, rows: list[tuple[str, float]], unit: str) -> str:
    """The longest is the largest; the scale is logarithmic, from a tenth of the smallest."""
    low = math.log10(min(value for _, value in rows)) - 0.5
    span = math.log10(max(value for _, value in rows)) - low
    room = WIDTH - _LEFT - _RIGHT
    parts = [_HEAD.format(width=WIDTH, height=_ROW * len(rows) + 60, title=escape(title))]
    for number, (name, value) in enumerate(rows):
        top = 34 + number * _ROW
        length = room * (math.log10(value) - low) / span
        colour = _COLOURS[0] if name.startswith("Bareboat") else _COLOURS[2]
        parts.append(f'<text x="{_LEFT - 8}" y="{top + 14}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect x="{_LEFT}" y="{top + 3}" width="{length:.1f}" height="{_ROW - 7}" fill="{colour}"/>')
        parts.append(f'<text x="{_LEFT + length + 6:.1f}" y="{top + 14}">{value:,.0f}</text>')
    foot = 34 + len(rows) * _ROW + 14
    parts.append(f'<text x="{_LEFT}" y="{foot}" fill="#555">{escape(unit)}, logarithmic</text></svg>')
    return "\n".join(parts) + "\n"


def lines(title: str, across: list[float], series: dict[str, list[float]], unit: str) -> str:
    """One line for each name, over the same points; both scales begin at nought."""
    height, top, bottom = 320, 40, 270
    most = max(value for values in series.values() for value in values) or 1
    parts = [_HEAD.format(width=WIDTH, height=height, title=escape(title))]

    def place(x: float, y: float) -> tuple[float, float]:
        return 60 + (WIDTH - 220) * x / max(across), bottom - (bottom - top) * y / most

    for share in (0, 0.25, 0.5, 0.75, 1):
        _, y = place(0, most * share)
        parts.append(f'<line x1="60" x2="{WIDTH - 160}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="54" y="{y + 4:.1f}" text-anchor="end">{most * share:,.2f}</text>')
    for x in across:
        parts.append(f'<text x="{place(x, 0)[0]:.1f}" y="{bottom + 18}" text-anchor="middle">{x:,.0f}</text>')
    for (name, values), colour in zip(series.items(), _COLOURS, strict=False):
        points = [place(x, y) for x, y in zip(across, values, strict=True)]
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append(f'<text x="{points[-1][0] + 8:.1f}" y="{points[-1][1] + 4:.1f}">{escape(name)}</text>')
    parts.append(f'<text x="60" y="{bottom + 38}" fill="#555">{escape(unit)}</text></svg>')
    return "\n".join(parts) + "\n"
