"""What a Neovim shows, as a page: its screen drawn from the events that it sends to every terminal and window."""

import html
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STYLE = "margin: 0; padding: 12px; font: 15px/1.45 'DejaVu Sans Mono', monospace; display: inline-block"


@dataclass
class Screen:
    """Cells of text, each with the number of its highlighting (``:help ui-linegrid``)."""

    cells: list[list[tuple[str, int]]] = field(default_factory=list)
    colours: dict[int, dict[str, Any]] = field(default_factory=dict)
    foreground: int = 0
    background: int = 0
    cursor: tuple[int, int] = (0, 0)

    def take(self, event: str, arguments: list[Any]) -> None:
        """Draw what an event says."""
        if event == "grid_resize":
            _, width, height = arguments
            self.cells = [[(" ", 0)] * width for _ in range(height)]
        elif event == "grid_clear":
            self.cells = [[(" ", 0)] * len(row) for row in self.cells]
        elif event == "default_colors_set":
            self.foreground, self.background = arguments[:2]
        elif event == "hl_attr_define":
            self.colours[arguments[0]] = arguments[1]
        elif event == "grid_cursor_goto":
            self.cursor = (arguments[1], arguments[2])
        elif event == "grid_scroll":
            raise NotImplementedError("a screen that is drawn at once does not scroll")
        elif event == "grid_line":
            _, row, column, cells = arguments[:4]
            highlighting = 0
            for text, *rest in cells:
                highlighting = rest[0] if rest else highlighting
                for _ in range(rest[1] if len(rest) > 1 else 1):
                    self.cells[row][column] = (text, highlighting)
                    column += 1

    def page(self) -> str:
        """Return it as HTML."""
        rows = ["".join(self._spans(number)) for number in range(len(self.cells))]
        style = f"{STYLE}; color: #{self.foreground:06x}; background: #{self.background:06x}"
        return f'<body style="margin: 0"><pre style="{style}">{chr(10).join(rows)}</pre></body>'

    def _spans(self, row: int) -> Iterator[str]:
        for column, (text, number) in enumerate(self.cells[row]):
            colours = self.colours.get(number, {})
            front, back = colours.get("foreground", self.foreground), colours.get("background", self.background)
            if bool(colours.get("reverse")) != ((row, column) == self.cursor):
                front, back = back, front
            style = f"color: #{front:06x}; background: #{back:06x}"
            if colours.get("bold"):
                style += "; font-weight: bold"
            if colours.get("italic"):
                style += "; font-style: italic"
            yield f'<span style="{style}">{html.escape(text)}</span>'


def screen(address: Path, columns: int, lines: int) -> Screen:
    """Return what the Neovim at a socket shows, in so many columns and lines."""
    import pynvim

    drawn = Screen()
    viewer = pynvim.attach("socket", path=str(address))
    try:
        viewer.ui_attach(columns, lines, rgb=True, ext_linegrid=True)
        while True:
            _, name, updates = viewer.next_message()
            if name != "redraw":
                continue
            for event, *calls in updates:
                for arguments in calls:
                    drawn.take(event, arguments)
                if event == "flush" and any(text.strip() for row in drawn.cells for text, _ in row):
                    return drawn
    finally:
        viewer.close()
