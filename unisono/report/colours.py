"""Colours of the page, for light and for dark; tasks told apart by people of every colour vision, and by dashes too.

The tasks' colours start from Okabe and Ito's (jfly.uni-koeln.de/color, 2008), lightened or darkened until each stands
out from the page and from the others, also as simulated after Machado et al. 2009; the tests hold them to it.
"""

from __future__ import annotations

SLOTS = 6  # colours for tasks; the seventh task has the first colour again, dashed
DASHES = ("", "7 3", "2 3")

LIGHT = {
    "page": "#ffffff",
    "panel": "#f6f7f9",
    "ink": "#1c2127",
    "soft": "#59636e",
    "line": "#c4cad1",
    "grid": "#e6e9ed",
    "on": "#ffffff",  # text on a strong colour
    "plus": "#0067b0",
    "minus": "#c2410c",
    "muted": "#8a939d",
    "s0": "#3067c2",
    "s1": "#dd670d",
    "s2": "#029f74",
    "s3": "#c17aac",
    "s4": "#43317e",
    "s5": "#695000",
}

DARK = {
    "page": "#121518",
    "panel": "#1b1f24",
    "ink": "#e6e9ec",
    "soft": "#a0a9b3",
    "line": "#454d56",
    "grid": "#2a3036",
    "on": "#101316",
    "plus": "#6bb8f5",
    "minus": "#ff9459",
    "muted": "#7d8791",
    "s0": "#69d1ff",
    "s1": "#e66f29",
    "s2": "#19a678",
    "s3": "#cd87b5",
    "s4": "#8d82de",
    "s5": "#e8d44d",
}


def variables() -> str:
    """CSS: the colours as ``--name``, by the reader's preference for light or dark."""

    def each(colours: dict[str, str]) -> str:
        return " ".join(f"--{name}: {value};" for name, value in colours.items())

    return (
        f":root {{ color-scheme: light dark; {each(LIGHT)} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {each(DARK)} }} }}\n"
    )


def slot_class(slot: int | None) -> str:
    """The classes that give a line or a patch its colour, and a line its dashes; None: no colour of its own."""
    if slot is None:
        return "muted"
    dash = slot // SLOTS % len(DASHES)
    return f"s{slot % SLOTS}" + (f" d{dash}" if dash else "")


def classes() -> str:
    """CSS of what ``slot_class`` names."""
    colours = [f".s{i} {{ --c: var(--s{i}); }}" for i in range(SLOTS)]
    dashes = [f".d{i} {{ stroke-dasharray: {dash}; }}" for i, dash in enumerate(DASHES) if dash]
    return "\n".join([*colours, ".muted { --c: var(--muted); }", *dashes, ""])
