"""What every number format loses for its bits, beside the least that any could lose: docs/rate-distortion.md and its picture.

  ./dev build bench && python3 bench/rate_distortion.py            print the table
  ./dev build bench && python3 bench/rate_distortion.py --write    put it into the page, and draw the picture

It takes five minutes on two idle cores.

Shannon: no code of R bits a weight has a relative squared error below 2^(-2 R) on a bell curve. A format that is measured below it hides
bits somewhere: that ends the program.
"""
import argparse
import csv
import math
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "build/bench/bench/quern_rate_distortion"
PAGE = ROOT / "docs/rate-distortion.md"
PICTURE = ROOT / "docs/images/rate-distortion.svg"
TABLE = re.compile(r"(<!-- begin rate-distortion -->\n).*?(<!-- end rate-distortion -->)", re.S)


def measured(kept):
    command = [PROGRAM, ROOT / "texts/eval.txt", ROOT / "models/llama-7m"]
    lines = kept.read_text() if kept else subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout
    return [{key: value if key == "codec" else float(value) for key, value in row.items()} for row in csv.DictReader(lines.splitlines())]


def bound(bits):
    return 2 ** (-2 * bits)


def table(rows):
    lines = ["| format | bits | bell curve | bound | gap | Student t | bits, model | model, median | KLD of the model |", "|---|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for row in rows:
        gap = f"{decibels(row):.1f} dB" if row["bell"] else "exact"
        model = f"{row['model bits']:.2f} | {row['model']:.3g} | {max(row['kld'], 0):.3g}" if row["model bits"] else "does not fit | |"
        lines.append(f"| {row['codec']} | {row['bits']:.3f} | {row['bell']:.3g} | {bound(row['bits']):.3g} | {gap} | {row['student']:.3g} | {model} |")
    return "\n".join(lines) + "\n"


MOST_GAP = 11  # dB that the picture reaches up to


def decibels(row):
    return 10 * math.log10(row["bell"] / bound(row["bits"]))


class Labels:
    """Places for names beside their points, so that none lies on another or on a point."""
    TALL, WIDE = 11, 5.2  # of a line and of a character at 9 pixels

    def __init__(self, points):
        self.taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in points]

    def place(self, x, y, name):
        """(x, y) of the beginning of the name, or None where there is no room."""
        wide = self.WIDE * len(name)
        for down in (3, -6, 12, -16, 22, -26, 32):
            for left in (x + 8, x - 8 - wide):
                box = (left, y + down - self.TALL + 2, left + wide, y + down + 2)
                if all(box[2] <= t[0] or box[0] >= t[2] or box[3] <= t[1] or box[1] >= t[3] for t in self.taken):
                    self.taken.append(box)
                    return left, y + down
        return None


def picture(rows):
    """Bits to the right, decibels above the bound upwards, which is the line below."""
    rows = [row for row in rows if 0 < row["bits"] < 9 and row["bell"] > 0 and decibels(row) < MOST_GAP]
    width, height, left, bottom = 900, 560, 60, 50

    def x(bits):
        return left + (bits - 0.8) / 8 * (width - left - 20)

    def y(gap):
        return 20 + (MOST_GAP - gap) / MOST_GAP * (height - bottom - 20)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12" role="img">',
             "<title>How far above the rate-distortion bound every number format is, on a bell curve</title>",
             f'<rect width="{width}" height="{height}" fill="#fff"/>']
    for gap in range(0, MOST_GAP, 2):
        colour = "#c0392b" if gap == 0 else "#ddd"
        parts.append(f'<path d="M{left} {y(gap):.1f}H{width - 20}" stroke="{colour}"/><text x="{left - 8}" y="{y(gap) + 4:.1f}" text-anchor="end">{gap} dB</text>')
    for bits in range(1, 9):
        parts.append(f'<text x="{x(bits):.1f}" y="{height - bottom + 20}" text-anchor="middle">{bits}</text>')
    parts.append(f'<text x="{(width + left) / 2}" y="{height - 8}" text-anchor="middle">bits a weight, everything counted</text>'
                 f'<text x="{left + 8}" y="{y(0) - 6:.1f}" fill="#c0392b">2^(-2 bits): no code loses less</text>')
    points = [(x(row["bits"]), y(decibels(row))) for row in rows]
    labels = Labels(points)
    for row, (at, up) in zip(rows, points):
        parts.append(f'<circle cx="{at:.1f}" cy="{up:.1f}" r="4" fill="#2f66b0"><title>{row["codec"]}: {row["bits"]:.3f} bits, {row["bell"]:.3g}</title></circle>')
        if place := labels.place(at, up, row["codec"]):
            parts.append(f'<text x="{place[0]:.1f}" y="{place[1]:.1f}" font-size="9" fill="#444">{row["codec"]}</text>')
    return "\n".join(parts) + "\n</svg>\n"


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--write", action="store_true", help="into the page and its picture")
    ap.add_argument("--lines", type=pathlib.Path, help="what the program printed, kept in a file: nothing is measured")
    a = ap.parse_args()
    rows = measured(a.lines)
    below = [row["codec"] for row in rows if row["bell"] and row["bell"] < bound(row["bits"])]
    if below:
        sys.exit(f"measured below what is possible: {', '.join(below)}; some of their bits are not counted")
    if not a.write:
        print(table(rows), end="")
        return
    PAGE.write_text(TABLE.sub(lambda match: match[1] + table(rows) + match[2], PAGE.read_text()))
    PICTURE.write_text(picture(rows))


if __name__ == "__main__":
    main()
