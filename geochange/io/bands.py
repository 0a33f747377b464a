"""Band names and what they mean: the common-name role of a band, and matching two dates' bands."""

from __future__ import annotations

import re
from collections.abc import Sequence

from geochange.errors import BandError, suggest

SENTINEL2 = {
    "B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge1",
    "B06": "rededge2", "B07": "rededge3", "B08": "nir", "B8A": "nir08", "B09": "watervapour",
    "B10": "cirrus", "B11": "swir1", "B12": "swir2",
}  # fmt: skip
COMMON_NAMES = {
    "coastal": "coastal", "aerosol": "coastal", "blue": "blue", "green": "green",
    "yellow": "yellow", "red": "red", "rededge": "rededge1", "rededge1": "rededge1",
    "rededge2": "rededge2",
    "rededge3": "rededge3", "nir": "nir", "nir1": "nir", "nir2": "nir08", "nir08": "nir08",
    "nearinfrared": "nir", "swir": "swir1", "swir1": "swir1", "swir16": "swir1", "swir2": "swir2",
    "swir22": "swir2", "cirrus": "cirrus", "pan": "pan", "panchromatic": "pan", "vv": "sar",
    "vh": "sar", "hh": "sar", "hv": "sar", "sigma0": "sar", "gamma0": "sar", "amplitude": "sar",
    "intensity": "sar", "sar": "sar",
}  # fmt: skip
_SENTINEL2_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(B(?:0?[1-9]|1[0-2]|8A))(?![A-Za-z0-9])", re.IGNORECASE
)


def sentinel2_name(text: str) -> str | None:
    """Find a Sentinel-2 band name such as ``B8A`` in a description or a file's stem.

    Examples
    --------
    >>> sentinel2_name("T32TQM_20180703T101029_B8A_20m"), sentinel2_name("B2")
    ('B8A', 'B02')
    """
    found = _SENTINEL2_TOKEN.search(text)
    if found is None:
        return None
    token = found[1].upper()
    return token if token == "B8A" else f"B{int(token[1:]):02d}"


def band_role(name: str) -> str | None:
    """Return the common-name role of a band (``red``, ``nir``, ``swir1``, ``sar`` ...) or None.

    Examples
    --------
    >>> band_role("NIR"), band_role("B04"), band_role("Red Edge 1"), band_role("band 1")
    ('nir', 'red', 'rededge1', None)
    """
    if re.fullmatch(r"B(\d\d|8A)", name):
        return SENTINEL2.get(name)
    words = re.sub(r"[^a-z0-9]+", " ", name.lower()).split()
    for candidate in ["".join(words), *words]:
        if candidate in COMMON_NAMES:
            return COMMON_NAMES[candidate]
    return None


def is_named(name: str) -> bool:
    """Tell whether a band carries a name of its own, not one made up from its position."""
    return re.fullmatch(r"band \d+", name) is None


def select_bands(names: Sequence[str], wanted: Sequence[str | int]) -> list[int]:
    """Return the positions (0-based) of bands named by name, role or 1-based number.

    Raises
    ------
    BandError
        A band that does not exist; the message suggests the nearest.

    Examples
    --------
    >>> select_bands(["Blue", "Green", "Red", "NIR"], ["nir", 1])
    [3, 0]
    """
    found = []
    for band in wanted:
        text = str(band).strip()
        if text.isdigit() and 1 <= int(text) <= len(names):
            found.append(int(text) - 1)
            continue
        matches = [i for i, name in enumerate(names) if name.lower() == text.lower()]
        matches = matches or [i for i, name in enumerate(names) if band_role(name) == text.lower()]
        if not matches:
            msg = f"no band '{text}' among {', '.join(names)}{suggest(text, names)}"
            raise BandError(msg)
        found.append(matches[0])
    return found


def match_bands(before: Sequence[str], after: Sequence[str]) -> tuple[list[int], list[int], str]:
    """Pair the bands of two dates: by name, else by role, else by order.

    Returns
    -------
    before_index, after_index : list of int
        Positions (0-based) to read at each date. They have equal length unless the numbers of
        bands differ and names do not help; then every band of each date is kept and only methods
        that compare different band sets can run.
    note : str
        What was done, for the run's notes.

    Examples
    --------
    >>> match_bands(["B", "Red", "NIR"], ["nir", "red"])
    ([1, 2], [1, 0], 'bands matched by name: Red, NIR; left out: B')
    >>> match_bands(["band 1", "band 2"], ["band 1", "band 2"])[2]
    'bands have no names: matched by order (2 bands)'
    """
    for kind, key in (("name", str.lower), ("role", lambda name: band_role(name) or "")):
        keys_before, keys_after = [key(n) for n in before], [key(n) for n in after]
        if len(set(keys_before)) < len(before) or len(set(keys_after)) < len(after):
            continue
        both = [k for k in keys_before if k and k in keys_after]
        if all(is_named(name) for name in [*before, *after]) and both:
            index_before = [keys_before.index(k) for k in both]
            index_after = [keys_after.index(k) for k in both]
            left = [n for i, n in enumerate(before) if i not in index_before]
            left += [n for i, n in enumerate(after) if i not in index_after]
            note = f"bands matched by {kind}: {', '.join(before[i] for i in index_before)}"
            return index_before, index_after, note + (f"; left out: {', '.join(left)}" * bool(left))
    everything = list(range(len(before))), list(range(len(after)))
    if len(before) != len(after):
        note = (
            f"{len(before)} and {len(after)} bands that no name matches: only methods for "
            "different sensors apply (or choose bands)"
        )
        return *everything, note
    if any(is_named(name) for name in [*before, *after]):
        note = (
            f"band names differ ({', '.join(before)} / {', '.join(after)}): matched by order, "
            "which is a guess"
        )
        return *everything, note
    return *everything, f"bands have no names: matched by order ({len(before)} bands)"
