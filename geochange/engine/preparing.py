"""Register, screen, normalise and smooth a pair before it is compared, in the order of the job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from geochange.alignment.pair import Pair
from geochange.engine.denoising import denoise_pair
from geochange.engine.normalizing import normalize_pair
from geochange.engine.registering import register_pair
from geochange.engine.runner import open_runner
from geochange.engine.screening import screen_pair
from geochange.engine.stages import Progress, Stages, report_nothing
from geochange.io.outputs import amend_state, read_state
from geochange.radiometry.cloudiness import ClearSky, CloudReader, Clouds
from geochange.radiometry.denoising import DenoiseSettings, Denoising
from geochange.radiometry.normalization import Normalization, check_normalization
from geochange.registration.result import Registration, check_mode


class Found(Protocol):
    """What is found of a pair once and lasts when a run is stopped."""

    def store(self) -> dict[str, Any]:
        """Return all of it, plain enough for JSON."""
        ...

    @classmethod
    def recall(cls, stored: Mapping[str, Any]) -> Self:
        """Return what was stored."""
        ...


F = TypeVar("F", bound=Found)


class Memory(Protocol):
    """Finds something, or recalls what was found of that name and kind before."""

    def __call__(self, name: str, kind: type[F], find: Callable[[], F]) -> F:
        """Return what is found."""
        ...


def find_anew(name: str, kind: type[F], find: Callable[[], F]) -> F:
    """Remember nothing."""
    return find()


def find_once(folder: Path, name: str, kind: type[F], find: Callable[[], F]) -> F:
    """Find something; a run that is resumed in a folder goes on with what was found before."""
    known = (read_state(folder) or {}).get(name)
    if known is not None:
        return kind.recall(known)
    found = find()
    amend_state(folder, **{name: found.store()})
    return found


@dataclass(frozen=True)
class Prepared:
    """A pair as it is compared, and what was found on the way.

    Attributes
    ----------
    pair : Pair
    registration : Registration
    clouds : Clouds
    risk : CloudReader, ClearSky or None
        Likelihood of clouds, for every change; None where nobody looked.
    normalization : Normalization
    denoising : Denoising
    """

    pair: Pair
    registration: Registration
    clouds: Clouds
    risk: CloudReader | ClearSky | None
    normalization: Normalization
    denoising: Denoising

    def describe(self) -> dict[str, Any]:
        """Return what ``run.json`` says of it."""
        return {
            "alignment": self.registration.describe(),
            "clouds": self.clouds.store(),
            "radiometry": self.normalization.describe(),
            "denoising": self.denoising.store(),
        }


def prepare(
    pair: Pair,
    *,
    register: str = "auto",
    mask_clouds: bool = False,
    normalize: str = "auto",
    denoise: str = "none",
    denoise_window: int | None = None,
    looks: float | None = None,
    threads: int = 0,
    on_progress: Progress = report_nothing,
) -> Pair:
    """Return a pair whose after date is read where it belongs and in the before date's values.

    What :func:`geochange.detect` does with a pair before it fits a method: what is found is noted
    in ``pair.notes``, and applied when tiles are read.

    Parameters
    ----------
    pair : Pair
        Of :func:`geochange.open_pair`.
    register : {'auto', 'off', 'global', 'local'}
        See :func:`geochange.register`.
    mask_clouds : bool
        Leave out what looks like cloud, haze or the shadow of a cloud.
    normalize : {'auto', 'off', 'linear', 'irmad', 'histogram'}
        See :func:`geochange.normalize`.
    denoise, denoise_window, looks
        See :func:`geochange.denoise`.
    threads : int
        Default: one per processor.
    on_progress : callable
        Called with stage, windows or tiles done, in all.

    Raises
    ------
    UsageError
        Unknown mode.

    Examples
    --------
    >>> pair = prepare(open_pair("before.tif", "after.tif"))  # doctest: +SKIP
    >>> pair.notes[-1]  # doctest: +SKIP
    'radiometry: after date brought to the before date, gain 0.92 to 1.08, ...'
    """
    settings = {
        "register": register,
        "mask_clouds": mask_clouds,
        "normalize": normalize,
        "denoise": denoise,
        "denoise_window": denoise_window,
        "looks": looks,
    }
    check_preparation(settings)
    with open_runner(threads=threads) as runner, Stages(runner, on_progress) as stages:
        return prepare_pair(pair, settings, stages).pair


def check_preparation(settings: Mapping[str, Any]) -> DenoiseSettings:
    """Return the filter that settings ask for.

    Raises
    ------
    UsageError
        Something asked for is not known.
    """
    check_mode(str(settings.get("register", "off")))
    check_normalization(str(settings.get("normalize", "off")))
    return DenoiseSettings(
        str(settings.get("denoise", "none")), settings.get("denoise_window"), settings.get("looks")
    )


def prepare_pair(
    pair: Pair, settings: Mapping[str, Any], stages: Stages, remember: Memory = find_anew
) -> Prepared:
    """Like :func:`prepare`, as stages of a job; settings that are not there mean off."""
    smoothing = check_preparation(settings)
    with stages.stage("register"):
        mode = str(settings.get("register", "off"))
        registration = remember(
            "registration", Registration, lambda: register_pair(pair, mode, stages)
        )
        registered = registration.apply(pair)
    clouds = Clouds()
    if "mask_clouds" in settings:
        with stages.stage("clouds"):
            mask = bool(settings["mask_clouds"])
            clouds = remember("clouds", Clouds, lambda: screen_pair(registered, stages, mask=mask))
    screened = clouds.apply(registered)
    with stages.stage("normalize"):
        way = str(settings.get("normalize", "off"))
        normalization = remember(
            "normalization", Normalization, lambda: normalize_pair(screened, way, stages)
        )
        normalized = normalization.apply(screened)
    denoising = Denoising()
    if smoothing.kind != "none":
        with stages.stage("denoise"):
            denoising = remember(
                "denoising", Denoising, lambda: denoise_pair(normalized, smoothing, stages)
            )
    smoothed = denoising.apply(normalized)
    risk = clouds.read(registered)
    return Prepared(smoothed, registration, clouds, risk, normalization, denoising)
