"""Light and weather of the world: light, sky, wetness and sensor noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LOOKS = ('day', 'dusk', 'night', 'wet')


@dataclass(frozen=True)
class Look:
    """Light and weather. Light is a factor on albedo, BGR; colours are 0..255.

    Args:
        sun: Direct light on a surface that faces the sun.
        ambient: Light from the whole sky.
        sun_elevation: Radians above the horizon.
        sky_top: Colour of the sky high up.
        sky_low: Colour of the sky at the horizon, and of haze.
        haze: Metres after which haze has taken two thirds of the contrast.
        wetness: 0..1, how much the ground darkens and mirrors the sky.
        lamps: Strength of street lamps, headlights and lit windows.
        noise: Standard deviation of the sensor noise, 0..255.
    """

    sun: tuple[float, float, float]
    ambient: tuple[float, float, float]
    sun_elevation: float
    sky_top: tuple[float, float, float]
    sky_low: tuple[float, float, float]
    haze: float
    wetness: float
    lamps: float
    noise: float

    @property
    def casts_shadows(self) -> bool:
        """Whether the sun is strong enough for cast shadows."""
        return max(self.sun) > 0.05

    def sun_direction(self, azimuth: float) -> np.ndarray:
        """Return the (3,) unit vector towards the sun."""
        across = np.cos(self.sun_elevation)
        return np.array([across * np.cos(azimuth), across * np.sin(azimuth), np.sin(self.sun_elevation)])


def make_look(name: str, seed: int) -> Look:
    """Return one of `LOOKS`, varied a little by ``seed``."""
    rng = np.random.default_rng([17, seed & 0x7FFFFFFF, LOOKS.index(name)])
    gain = float(rng.uniform(0.9, 1.1))
    if name == 'day':
        return Look(
            sun=tuple(gain * np.array([0.92, 0.98, 1.02])),
            ambient=tuple(gain * np.array([0.5, 0.46, 0.44])),
            sun_elevation=float(rng.uniform(0.55, 1.15)),
            sky_top=(215, 170, 120),
            sky_low=(238, 228, 216),
            haze=float(rng.uniform(180, 500)),
            wetness=0.0,
            lamps=0.0,
            noise=2.0,
        )
    if name == 'dusk':
        return Look(
            sun=tuple(gain * np.array([0.3, 0.5, 0.72])),
            ambient=tuple(gain * np.array([0.52, 0.44, 0.42])),
            sun_elevation=float(rng.uniform(0.16, 0.3)),
            sky_top=(150, 112, 92),
            sky_low=(140, 168, 214),
            haze=float(rng.uniform(150, 350)),
            wetness=0.0,
            lamps=0.25,
            noise=3.5,
        )
    if name == 'night':
        return Look(
            sun=(0.0, 0.0, 0.0),
            ambient=tuple(gain * np.array([0.16, 0.135, 0.125])),
            sun_elevation=0.8,
            sky_top=(22, 15, 12),
            sky_low=(40, 34, 34),
            haze=400.0,
            wetness=float(rng.choice([0.0, 0.0, 0.35])),
            lamps=1.0,
            noise=5.0,
        )
    return Look(
        sun=(0.0, 0.0, 0.0),
        ambient=tuple(gain * np.array([0.95, 0.93, 0.9])),
        sun_elevation=1.0,
        sky_top=(190, 184, 178),
        sky_low=(208, 206, 202),
        haze=float(rng.uniform(110, 220)),
        wetness=1.0,
        lamps=0.1,
        noise=2.5,
    )
