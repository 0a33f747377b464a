"""The registry: a method's name to its builder. After construction nobody looks at the name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from geochange.detectors.base import Detector
from geochange.detectors.methods.context import ContextDetector
from geochange.detectors.methods.cva import CVA
from geochange.detectors.methods.faint import FaintDetector
from geochange.detectors.methods.feature_match import FeatureMatchDetector
from geochange.detectors.methods.log_ratio import LogRatio
from geochange.detectors.methods.mad import IRMAD, MAD
from geochange.detectors.methods.pca_kmeans import PCAKMeans
from geochange.detectors.methods.ratio_clusters import RatioClusters
from geochange.detectors.methods.sfa import SFA
from geochange.detectors.methods.structure_graph import StructureGraph
from geochange.detectors.methods.translation import (
    Autoencoder,
    TranslationGAN,
    VariationalAutoencoder,
)
from geochange.detectors.network import NetworkDetector
from geochange.detectors.wrappers.composing import build_ensemble
from geochange.errors import UsageError, suggest

REQUIRED = "(required)"
"""What stands for the default of an option that has none."""
OPTICAL = "optical dates of one sensor"
RADAR = "radar dates (SAR)"
SENSORS = "dates of different sensors"
LEARNED = "what a network was trained on, or methods together"
KINDS = (OPTICAL, RADAR, SENSORS, LEARNED)
"""Kinds of images in the order in which methods are listed."""


@dataclass(frozen=True, slots=True)
class Method:
    """One entry: what a user reads in ``geochange methods``.

    Attributes
    ----------
    name : str
    images : str
        Kind of images that it is for; ``geochange methods`` lists by it.
    summary : str
        One line: what it measures and when to use it.
    reference : str
        Paper or other source.
    build : callable
        The detector's class or a function; its keyword-only parameters are the method's options.
    """

    name: str
    images: str
    summary: str
    reference: str
    build: Callable[..., Detector]

    @property
    def options(self) -> dict[str, object]:
        """Option names with their defaults, ``REQUIRED`` where the user must give one."""
        parameters = inspect.signature(self.build).parameters.values()
        return {
            p.name: REQUIRED if p.default is p.empty else p.default
            for p in parameters
            if p.kind is p.KEYWORD_ONLY
        }

    @property
    def required(self) -> list[str]:
        """Names of the options that must be given."""
        return [name for name, default in self.options.items() if default == REQUIRED]


_ENTRIES = (
    Method(
        "autoencoder",
        SENSORS,
        "Errors of translations between the dates, trained on the pair; any sensors and bands",
        "Luppino et al. 2022",
        Autoencoder,
    ),
    Method(
        "context",
        OPTICAL,
        "What neither noise, a small shift nor the surroundings explain; optical images",
        "Theiler & Wohlberg 2012; Nielsen 2007",
        ContextDetector,
    ),
    Method(
        "cva",
        OPTICAL,
        "Length of the spectral difference in noise sigmas; fast, with direction of change",
        "Malila 1980; Bovolo & Bruzzone 2007",
        CVA,
    ),
    Method(
        "ensemble",
        LEARNED,
        "Several methods as one, by the mean of their scores; short: context+network",
        "Kittler, Hatef, Duin & Matas 1998",
        build_ensemble,
    ),
    Method(
        "faint",
        OPTICAL,
        "Changes of few pixels and little contrast: matched filter, whitening, clutter around",
        "Nielsen et al. 1998; Reed & Yu 1990",
        FaintDetector,
    ),
    Method(
        "feature-match",
        OPTICAL,
        "Patches that find no match near; dates aligned to a few pixels only, any bands",
        "Theiler & Wohlberg 2012; Nielsen 2007",
        FeatureMatchDetector,
    ),
    Method(
        "irmad",
        OPTICAL,
        "Least correlated differences of reweighted canonical variates; immune to gain and offset",
        "Nielsen 2007",
        IRMAD,
    ),
    Method(
        "log-ratio",
        RADAR,
        "Ratio of local means for SAR amplitude, intensity or decibels",
        "Bovolo & Bruzzone 2005; Conradsen et al. 2003",
        LogRatio,
    ),
    Method(
        "mad",
        OPTICAL,
        "Differences of canonical variates without reweighting; when most of a scene changed",
        "Nielsen, Conradsen & Simpson 1998",
        MAD,
    ),
    Method(
        "network",
        LEARNED,
        "A trained network from a checkpoint; knows its bands, pixel size and threshold",
        "Daudt, Le Saux & Boulch 2018",
        NetworkDetector,
    ),
    Method(
        "pca-kmeans",
        OPTICAL,
        "Principal components of difference blocks in two clusters; decides by itself",
        "Celik 2009",
        PCAKMeans,
    ),
    Method(
        "ratio-clusters",
        RADAR,
        "SAR: clusters of log ratios train a small network on their sure pixels; seconds more",
        "Gong et al. 2016; Gao et al. 2016",
        RatioClusters,
    ),
    Method(
        "sfa",
        OPTICAL,
        "Differences of the slowest features, reweighted; immune to gain and offset",
        "Wu, Du & Zhang 2014",
        SFA,
    ),
    Method(
        "structure-graph",
        SENSORS,
        "Who resembles whom before and after; dates of different sensors, bands in any number",
        "Sun et al. 2021, 2022",
        StructureGraph,
    ),
    Method(
        "translation-gan",
        SENSORS,
        "As autoencoder, with discriminators that translations must pass; any sensors and bands",
        "Isola et al. 2017",
        TranslationGAN,
    ),
    Method(
        "vae",
        SENSORS,
        "As autoencoder, with the spread that each translation expects; any sensors and bands",
        "Kingma & Welling 2014; Luppino et al. 2022",
        VariationalAutoencoder,
    ),
)

METHODS: dict[str, Method] = {method.name: method for method in _ENTRIES}


def list_methods() -> list[Method]:
    """Return the registered methods in alphabetical order.

    Examples
    --------
    >>> "irmad" in [method.name for method in list_methods()]
    True
    """
    return [METHODS[name] for name in sorted(METHODS)]


def takes_option(name: str, option: str) -> bool:
    """Tell whether a method has an option.

    Examples
    --------
    >>> takes_option("context", "roles"), takes_option("nothing", "roles")
    (True, False)
    """
    return name in METHODS and option in METHODS[name].options


def get_detector(name: str, **options: object) -> Detector:
    """Build a detector by name.

    Parameters
    ----------
    name : str
        A name that :func:`list_methods` gives.
    **options
        The method's own options.

    Raises
    ------
    UsageError
        Unknown name or option, with the nearest known one, or an option that must be given.

    Examples
    --------
    >>> get_detector("cva").halo
    0
    """
    if name not in METHODS:
        msg = f"unknown method '{name}'{suggest(name, METHODS)}"
        raise UsageError(msg)
    method = METHODS[name]
    for option in options:
        if option not in method.options:
            known = suggest(option, method.options) if method.options else "; it has none"
            msg = f"method '{name}' has no option '{option}'{known}"
            raise UsageError(msg)
    for option in method.required:
        if option not in options:
            msg = f"method '{name}' needs option '{option}'; add --set {option}=..."
            raise UsageError(msg)
    try:
        return method.build(**options)
    except TypeError as error:
        given = ", ".join(f"{option}={value!r}" for option, value in options.items())
        msg = f"method '{name}' cannot take {given}: an option is of the wrong kind ({error})"
        raise UsageError(msg) from error
