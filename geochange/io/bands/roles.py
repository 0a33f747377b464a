"""Band names and what they mean: the common-name role of a band, for the sensor that made it."""

from __future__ import annotations

import re
from collections.abc import Sequence

_COMMON = {
    "coastal": "coastal", "aerosol": "coastal", "blue": "blue", "green": "green",
    "yellow": "yellow", "red": "red", "rededge": "rededge1", "rededge1": "rededge1",
    "rededge2": "rededge2",
    "rededge3": "rededge3", "nir": "nir", "nir1": "nir", "nir2": "nir08", "nir08": "nir08",
    "nearinfrared": "nir", "swir": "swir1", "swir1": "swir1", "swir16": "swir1", "swir2": "swir2",
    "swir22": "swir2", "cirrus": "cirrus", "pan": "pan", "panchromatic": "pan", "vv": "sar",
    "vh": "sar", "hh": "sar", "hv": "sar", "sigma0": "sar", "gamma0": "sar", "amplitude": "sar",
    "intensity": "sar", "sar": "sar",
}  # fmt: skip
SENSOR_ROLES = {
    "Sentinel-2": {
        "1": "coastal", "2": "blue", "3": "green", "4": "red", "5": "rededge1", "6": "rededge2",
        "7": "rededge3", "8": "nir", "8A": "nir08", "9": "watervapour", "10": "cirrus",
        "11": "swir1", "12": "swir2",
    },
    "Landsat 8/9": {
        "1": "coastal", "2": "blue", "3": "green", "4": "red", "5": "nir", "6": "swir1",
        "7": "swir2", "8": "pan", "9": "cirrus", "10": "thermal", "11": "thermal",
    },
    "Landsat 4-7": {
        "1": "blue", "2": "green", "3": "red", "4": "nir", "5": "swir1", "6": "thermal",
        "7": "swir2", "8": "pan",
    },
}  # fmt: skip
"""Role of each numbered band; the same number means another thing for another sensor."""

_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])((?:S[RT]_)?B(8A|0?[1-9]|1[0-2]))(?![A-Za-z0-9])", re.IGNORECASE
)
_LANDSAT_8 = re.compile(r"(?<![A-Z0-9])L[COT]0[89](?!\d)|LANDSAT[-_ ]?[89]|^OLI")
_LANDSAT_4 = re.compile(r"(?<![A-Z0-9])L[TE]0[4-7](?!\d)|LANDSAT[-_ ]?[4-7]|^E?TM\b")
_LANDSAT = re.compile(r"(?<![A-Z0-9])L[COTEM]0[1-9](?!\d)|LANDSAT|^(OLI|E?TM\b)")
_SENTINEL_2 = re.compile(
    r"(?<![A-Z0-9])(S2[ABCD]|T\d\d[A-Z]{3})(?![A-Z0-9])|SENTINEL[-_ ]?2|HLS\.S30"
)


def find_band_token(text: str) -> str | None:
    """Find a numbered band such as ``B8A`` or ``SR_B4`` in a description or a file's stem.

    Examples
    --------
    >>> find_band_token("T32TQM_20180703T101029_B8A_20m"), find_band_token("sr_b4")
    ('B8A', 'SR_B4')
    """
    found = _TOKEN.search(text)
    return found[1].upper() if found else None


def tell_sensor(names: Sequence[str], texts: Sequence[str] = ()) -> str | None:
    """Tell which sensor numbered the bands: a key of ``SENSOR_ROLES``, ``"Landsat"`` or None.

    Parameters
    ----------
    names : sequence of str
        Band names of one date.
    texts : sequence of str
        What may name the sensor or the platform, most telling first: tags, file, folder.

    Examples
    --------
    >>> tell_sensor(["B5"], ["LC08_L1TP_120038_20150101"]), tell_sensor(["B5"], ["LT05_L2SP"])
    ('Landsat 8/9', 'Landsat 4-7')
    >>> tell_sensor(["B4", "B8A"]), tell_sensor(["B02", "B04"]), tell_sensor(["B4", "B5"])
    ('Sentinel-2', 'Sentinel-2', None)
    """
    found = (_read_sensor(text.upper()) for text in texts)
    return next(filter(None, found), None) or _guess_sensor({name.upper() for name in names})


def _read_sensor(text: str) -> str | None:
    """Sensor that a text names; None when it names none, or Landsat and Sentinel-2 both."""
    if "HLS.L30" in text:
        return "Landsat 8/9"
    if not _LANDSAT.search(text):
        return "Sentinel-2" if _SENTINEL_2.search(text) else None
    if _SENTINEL_2.search(text):
        return None
    if _LANDSAT_8.search(text):
        return "Landsat 8/9"
    return "Landsat 4-7" if _LANDSAT_4.search(text) else "Landsat"


def _guess_sensor(names: set[str]) -> str | None:
    """Sensor that the band numbers give away."""
    if any(re.fullmatch(r"S[RT]_B\d+", name) for name in names):
        return "Landsat 4-7" if "ST_B6" in names else "Landsat 8/9"
    if names & {"B8A", "B11", "B12"} or any(re.fullmatch(r"B0\d", name) for name in names):
        return "Sentinel-2"
    return None


def band_role(name: str, sensor: str | None = None) -> str | None:
    """Return the common-name role of a band (``red``, ``nir``, ``swir1``, ``sar`` ...) or None.

    Examples
    --------
    >>> band_role("NIR"), band_role("Red Edge 1"), band_role("band 1"), band_role("B4")
    ('nir', 'rededge1', None, None)
    >>> band_role("B04", "Sentinel-2"), band_role("SR_B4", "Landsat 4-7")
    ('red', 'nir')
    """
    words = re.sub(r"[^a-z0-9]+", " ", name.lower()).split()
    for candidate in ["".join(words), *words]:
        if candidate in _COMMON:
            return _COMMON[candidate]
    token = find_band_token(name)
    if token is None or sensor not in SENSOR_ROLES:
        return None
    return SENSOR_ROLES[sensor].get(token.rpartition("B")[2].lstrip("0"))


def standard_name(name: str, sensor: str | None) -> str:
    """Write a numbered band as its sensor does: Sentinel-2's ``B2`` is ``B02``.

    Examples
    --------
    >>> standard_name("b2", "Sentinel-2"), standard_name("B2", "Landsat 8/9")
    ('B02', 'B2')
    """
    found = _TOKEN.fullmatch(name)
    if found is None or sensor != "Sentinel-2":
        return name
    number = found[2].upper()
    return "B8A" if number == "8A" else f"B{int(number):02d}"


def is_named(name: str) -> bool:
    """Tell whether a band carries a name of its own, not one made up from its position."""
    return re.fullmatch(r"band \d+", name) is None
