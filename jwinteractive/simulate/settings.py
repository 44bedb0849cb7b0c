"""What a simulated exposure is made of: one frozen record."""

from __future__ import annotations

from dataclasses import dataclass, fields

from jwinteractive import detectors
from jwinteractive.errors import InputError

_EXP_TYPES = {
    "NIRCAM": "NRC_IMAGE",
    "NIRISS": "NIS_IMAGE",
    "NIRSPEC": "NRS_FIXEDSLIT",
    "MIRI": "MIR_IMAGE",
    "FGS": "FGS_IMAGE",
}

SOSS = "NIS_SOSS"
"""EXP_TYPE of slitless spectra of one object."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that decides a simulated exposure; an amplitude or rate of 0 turns an effect off.

    Attributes
    ----------
    instrument, detector, subarray, readpatt : str
        Header names; `detectors` holds the tables.
    filter, pupil, grating : str
        Optical elements, written to the header (empty: no keyword).
    exp_type : str
        Header EXP_TYPE; empty takes the instrument's imaging type (fixed slit for NIRSpec).
    nints, ngroups : int
        Integrations, and groups of each.
    seed : int
        The same seed gives the same exposure, whatever the number of threads.
    size : tuple of int, optional
        (ny, nx) of an artificial small window that replaces the subarray.
    corner : tuple of int, optional
        (ystart, xstart), 1-based, of that window; the default holds reference pixels at its left
        and bottom (NIRSpec: lies on the slits; SOSS: begins where SUBSTRIP256 does).
    sources : tuple of (x, y, rate)
        Point sources: 0-based position in the window, e-/s.
    crowding : float
        Random point sources per million pixels.
    faintest, brightest : float
        Range of the random point sources in e-/s, dn/df proportional to f^-2. The spectrum of SOSS
        has `brightest` in a column of order 1.
    galaxies : int
        Number of inclined exponential disks in the window.
    nebula : float
        Peak of clouds of extended emission in e-/s/pixel, with structure on scales of 20 to several
        hundred pixels.
    sky : float
        Background in e-/s/pixel.
    fwhm : float
        Point-source width in pixels.
    flat, dark_scatter, gain_scatter, nonlinearity : float
        Relative rms of the flat; of the dark; of the gain; deviation from a line at full well.
    hot, dead, low_qe, open, telegraph : float
        Fractions of the pixels with each defect.
    unknown_bad : float
        Fraction of the bad pixels that the mask reference does not know.
    new_hot, rc, bent : float
        Fractions of pixels that the references know nothing of: hot since they were made, with
        charge that flows in after the reset and dies away (RC), with ramps that bend upwards.
    detector_seed, scene_seed : int
        Decide the pixels with their references, and the scene; 0 takes `seed`. Exposures that
        differ only in `seed` and `dither` are of one detector and one scene.
    dither : tuple of float
        (x, y) in pixels by which the scene moves.
    day : float
        Days after the first day of all simulations.
    tso : bool
        The visit is a time series; SOSS always is.
    cosmic_rays : float
        Ions per cm2 per second; diffusion : width of the charge cloud in pixels.
    snowballs : float
        Events per second on a 2048 x 2048 array.
    showers : float
        Events per second on a 1024 x 1024 array (MIRI; 0.025 is usual).
    saturation, spill : bool, float
        Clip at the full well; fraction of the excess that moves to the eight neighbours.
    ipc : float
        Fraction of the signal that couples to each of four neighbours.
    poisson, read_noise : bool, float
        Shot noise; a factor on the detector's white read noise.
    one_over_f_common, one_over_f_amp, alternating : float
        rms in electrons of the noise common to all amplifiers, of each one, and of odd and even
        columns. Reference pixels share it with `reference_gain`.
    ktc, bias_scatter : float
        Factor on the detector's reset noise; pixel rms of the superbias in DN.
    picture_frame : float
        rms in electrons of NIRSpec's thermal pattern at the edge of the frame.
    reset, rscd, last_frame, emi : float
        MIRI amplitudes in DN: reset anomaly, reset switch decay, last-frame pull-down, 390 Hz.
    reference_noise : float
        Factor on the own noise of the reference files (0: they are exact).
    """

    instrument: str
    detector: str
    readpatt: str
    subarray: str = "FULL"
    filter: str = ""
    pupil: str = ""
    grating: str = ""
    exp_type: str = ""
    nints: int = 1
    ngroups: int = 10
    seed: int = 1
    size: tuple[int, int] | None = None
    corner: tuple[int, int] | None = None
    sources: tuple[tuple[float, float, float], ...] = ()
    crowding: float = 60.0
    faintest: float = 5.0
    brightest: float = 2e4
    galaxies: int = 2
    nebula: float = 0.0
    sky: float = 0.3
    fwhm: float = 2.0
    flat: float = 0.01
    dark_scatter: float = 0.1
    gain_scatter: float = 0.005
    nonlinearity: float = 0.05
    hot: float = 0.003
    dead: float = 0.001
    low_qe: float = 0.0005
    open: float = 0.0005
    telegraph: float = 0.002
    unknown_bad: float = 0.0
    cosmic_rays: float = 3.3
    diffusion: float = 0.3
    snowballs: float = 0.05
    showers: float = 0.0
    saturation: bool = True
    spill: float = 0.1
    ipc: float = 0.0
    poisson: bool = True
    read_noise: float = 1.0
    one_over_f_common: float = 3.0
    one_over_f_amp: float = 1.0
    alternating: float = 0.5
    reference_gain: float = 0.9
    ktc: float = 1.0
    bias_scatter: float = 150.0
    reset: float = 0.0
    rscd: float = 0.0
    last_frame: float = 0.0
    emi: float = 0.0
    picture_frame: float = 0.0
    reference_noise: float = 1.0
    new_hot: float = 0.0
    rc: float = 0.0
    bent: float = 0.0
    detector_seed: int = 0
    scene_seed: int = 0
    dither: tuple[float, float] = (0.0, 0.0)
    day: float = 0.0
    tso: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated, in one line."""
        det = detectors.detector(self.instrument, self.detector)
        detectors.subarray(det.name, self.subarray)
        detectors.readout(self.instrument, self.readpatt)
        for name, low, high in (("nints", 1, 1000), ("ngroups", 1, 1000), ("galaxies", 0, 1000)):
            value = getattr(self, name)
            if not (isinstance(value, int) and low <= value <= high):
                message = f"{name} = {value!r}: must be a whole number in [{low}, {high}]"
                raise InputError(message)
        for field in fields(self):
            value = getattr(self, field.name)
            # `not >= 0` rather than `< 0`: NaN too is refused
            if field.type == "float" and not value >= 0:
                message = f"{field.name} = {value!r}: must be 0 (off) or above"
                raise InputError(message)
        if self.fwhm == 0 or not 0 < self.faintest <= self.brightest:
            message = (
                f"fwhm = {self.fwhm!r}, faintest = {self.faintest!r}, brightest = "
                f"{self.brightest!r}: must be above 0, and the faintest below the brightest"
            )
            raise InputError(message)
        self._check_window(det)

    def _check_window(self, det: detectors.Detector) -> None:
        if self.size is None:
            if self.corner is not None:
                message = f"corner = {self.corner}: needs size=(ny, nx) too"
                raise InputError(message)
            return
        (ny, nx), (y, x) = self.size, self.window_corner
        ly, lx = det.shape
        if not (16 <= ny <= ly and 16 <= nx <= lx and 1 <= y <= ly - ny + 1):
            message = f"size = {self.size} at corner {(y, x)}: must fit in {det.shape}, 16 or more"
            raise InputError(message)
        if self.interleaved and ny != ly:
            message = f"size = {self.size}: IRS2 frames have all {ly} rows: use ({ly}, {nx})"
            raise InputError(message)
        if not 1 <= x <= lx - nx + 1:
            message = f"corner = {(y, x)} with size {self.size}: must lie within {det.shape}"
            raise InputError(message)

    @property
    def window_corner(self) -> tuple[int, int]:
        """(ystart, xstart) of the artificial window, 1-based."""
        if self.corner is not None:
            return self.corner
        ny, nx = self.size or (16, 16)
        if self.interleaved:
            return 1, 1
        if self.instrument.upper() == "NIRSPEC":
            return max(1, min(992 - ny // 2, 2049 - ny)), max(1, 1025 - nx // 2)
        if self.exposure_type == SOSS:
            return min(1793, 2049 - ny), 1
        return 1, 1

    @property
    def interleaved(self) -> bool:
        """Whether references are read between the pixels (IRS2)."""
        return self.readpatt.upper().startswith("NRSIRS2")

    @property
    def exposure_type(self) -> str:
        """Header EXP_TYPE."""
        return self.exp_type or _EXP_TYPES[self.instrument.upper()]
