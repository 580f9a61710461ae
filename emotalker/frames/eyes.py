"""Eyes: an iris that turns under lids that close, all from the portrait's own pixels.

Three pictures are painted once for each eye, and frames only read them: the *eyeball* (iris and white, also where the
lids cover them), the *lid skin* (the portrait as if the eye and its lash line were not there) and the *lash line* (how
much darker the portrait is than that skin, by distance from the lid's edge), which then rides on the moving lid.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..curves import smoothstep
from .contours import Opening, opening
from .fill import add_grain, blur, smooth_fill
from .sampling import Box, Texture, box_around, sample
from .surface import Part, Surface

# Lengths are shares of the distance of the eye's corners.
_LASH_BAND = 0.16  # height over the lid's edge in which lashes and liner are looked for
_LOWER_BAND = 0.05
# Beyond those bands and the corners, as far as this above, below and beside, what is unlike the skin belongs to the eye too: a
# fit may miss the edge of large eyes, and long lashes pass the band. Unlike is what differs by these shares of the skin.
_ABOVE, _BELOW, _BESIDE = 0.24, 0.24, 0.36
_UNLIKE = (0.12, 0.26)
# Height over a closed lid's edge at which its lashes end, and how far they are evened out along it.
_CLOSED_LASHES, _EVEN = 0.07, 0.08
# A line of lashes is not darker than this share of the lid.
_DARKEST = 0.42
_BOX_MARGIN = 0.55
# Radius of the eyeball over the radius of the iris: 12.0 mm / 5.9 mm (adult means).
_BALL_PER_IRIS = 2.05
# The corners hold the caruncle and skin, which do not turn with the eyeball.
_STILL_CORNER = 0.14
_LASH_ROWS = 24


@dataclass(frozen=True)
class EyeFrame:
    """What an eye contributes to a chunk of frames, in its box.

    Attributes:
        box: place in the crop.
        coverage: [n,h,w] share of each pixel that shows the eyeball.
        colour: [n,3,h,w] the eyeball.
        lid: [n,h,w] how far the lid skin replaces the portrait, 0 at rest.
        shut: [n] 0 open to 1 closed.
        lash: [n,3,h,w] factor for the lid skin: the lash line at its new place.
    """

    box: Box
    coverage: Tensor
    colour: Tensor
    lid: Tensor
    shut: Tensor
    lash: Tensor


class Eye:
    """One eye of a portrait.

    Args:
        picture: [3,H,W] the crop, 0..1.
        surface: skin of the portrait.
        upper, lower: lid rings (margin first) as index halves from corner to corner, see contours.opening.
        iris: [5,2] iris landmarks (centre first) in crop pixels.
    """

    def __init__(self, picture: Tensor, surface: Surface, upper: list[Tensor], lower: list[Tensor], iris: Tensor) -> None:
        rest = surface.rest
        self.upper, self.lower = upper, lower
        self.rest = opening(rest[None], upper, lower)
        self.width = float(self.rest.length[0])
        size = picture.shape[-2:]
        corners = rest[torch.cat([upper[0], lower[0]]), :2]
        margin = torch.cat([upper[0], lower[0]])
        self.part = Part.around(surface, corners.mean(0), 1.3 * self.width, margin, margin, 0.45 * self.width)
        self.white: Tensor | None = None
        self.box = box_around(corners, _BOX_MARGIN * self.width, size)
        self.centre = iris[0]
        self.radius = max(float((iris[1:] - iris[0]).norm(dim=1).mean()), 0.08 * self.width)
        x, y = self.box.pixel_centres(picture.device)
        s, t = (v[0] for v in self.rest.local(x, y))
        local = picture[:, self.box.slices[0], self.box.slices[1]].permute(1, 2, 0).contiguous()
        top, bottom = (edge[0] for edge in self.rest.edges(s[None]))
        above, below = top - t, t - bottom  # > 0: over the upper edge, under the lower
        self.local = Texture(local.permute(2, 0, 1))
        skin, self.filled = self._paint_skin(local, s, above, below)
        self.skin, self.ball = Texture(skin), Texture(self._paint_ball(local, x, y, s, above, below))
        self.lashes = self._measure_lashes(skin.device)

    def _paint_skin(self, local: Tensor, s: Tensor, above: Tensor, below: Tensor) -> tuple[Tensor, Tensor]:
        """The portrait without eye and lash line [3,h,w], and where its pixels are made up [2,h,w] 0..1: everywhere, and what
        of it is below the fitted edge, where an eye that is not closed may go on."""
        w = self.width
        ends = smoothstep(s, -0.16, -0.04) * smoothstep(1 - s, -0.16, -0.04)
        remove = smoothstep(_LASH_BAND * w - above, 0, 0.04 * w) * smoothstep(_LOWER_BAND * w - below, 0, 0.03 * w) * ends
        # The skin as it would be without all that may belong to the eye tells what does.
        around = torch.maximum((-s).clamp(min=0), (s - 1).clamp(min=0)) < _BESIDE
        near = around & (above < _ABOVE * w) & (below < _BELOW * w)
        skin = smooth_fill(local, 1 - near.float(), relax=40)
        unlike = ((local - skin).abs().amax(2) / skin.amax(2).clamp(min=0.1)) * near
        soft = max(0.015 * w, 0.7)
        missed = blur((unlike > _UNLIKE[0]).float(), soft) * 2
        missed = missed.clamp(max=1) * smoothstep(blur(unlike, 2 * soft), 0.3 * _UNLIKE[0], 0.5 * _UNLIKE[1])
        fade = smoothstep(_ABOVE * w - above, 0, 0.05 * w) * smoothstep(_BELOW * w - below, 0, 0.05 * w)
        fade = fade * smoothstep(s, -_BESIDE, -0.7 * _BESIDE) * smoothstep(1 - s, -_BESIDE, -0.7 * _BESIDE)
        missed = (missed * fade - remove).clamp(min=0)
        remove = remove + missed
        filled = smooth_fill(local, 1 - (remove > 0.02).float(), relax=40)
        # The eyeball shows through a closed lid as a soft bulge: lighter in the middle, darker to its edges.
        across = ((s - 0.5) / 0.55) ** 2
        down = (above + below) / 2
        bulge = torch.exp(-2.2 * across) * torch.exp(-((down / (0.35 * w)) ** 2))
        filled = filled * (1 + (0.05 * bulge)[..., None])
        filled = add_grain(filled, local, remove, (above > 0.25 * w).float() + (below > 0.12 * w).float(), 1.0)
        painted = (local + (filled - local) * remove[..., None]).clamp(0, 1).permute(2, 0, 1)
        return painted, torch.stack([remove, missed * (below > 0)])

    def _paint_ball(self, local: Tensor, x: Tensor, y: Tensor, s: Tensor, above: Tensor, below: Tensor) -> Tensor:
        """Iris and white without lids: [3,h,w]."""
        w = self.width
        # Right under the upper lid lies its shadow and the lashes': no part of the eyeball.
        inside = smoothstep(-above, 0.02 * w, 0.10 * w) * smoothstep(-below, -0.01 * w, 0.03 * w)
        inside = inside * smoothstep(s, 0.0, 0.04) * smoothstep(1 - s, 0.0, 0.04)
        distance = ((x - self.centre[0]) ** 2 + (y - self.centre[1]) ** 2).sqrt() / self.radius
        white_known = inside * smoothstep(distance, 1.12, 1.25)
        if float(white_known.sum()) < 4:
            # Hardly any white to be seen: take a plain one, as bright as the brightest of the eye allows.
            bright = local[inside > 0.5].amax(0) if bool((inside > 0.5).any()) else local.new_full((3,), 0.7)
            white = local * 0 + (0.5 * bright + 0.3).clamp(max=0.85)
        else:
            white = smooth_fill(local, white_known, relax=20)
            whites = local[white_known > 0.5]
            if len(whites) >= 12:
                self.white = whites[whites.mean(1).argsort()[int(0.7 * len(whites)) :]].mean(0)
        # Iris by its radial profile where lids hide it.
        bins = 16
        place = (distance * (bins - 1) / 1.15).clamp(0, bins - 1)
        index = place.round().long()
        weight = inside * (distance < 1.2)
        total = local.new_zeros(bins).index_add_(0, index.flatten(), weight.flatten())
        colour = local.new_zeros(bins, 3).index_add_(0, index.flatten(), (local * weight[..., None]).reshape(-1, 3))
        known = (total > 0.5).float()[:, None]
        profile = smooth_fill((colour / total.clamp(min=0.5)[:, None])[None], known.T, relax=4)[0]
        low = place.floor().long().clamp(max=bins - 2)
        part = (place - low)[..., None]
        iris = profile[low] * (1 - part) + profile[low + 1] * part
        ball = white + (iris - white) * smoothstep(1.12 - distance, 0.0, 0.14)[..., None]
        ball = ball + (local - ball) * inside[..., None]
        return ball.clamp(0, 1).permute(2, 0, 1)

    def _measure_lashes(self, device: torch.device) -> Tensor:
        """[6,_LASH_ROWS,S] darkness of the portrait over the lid skin, rows from the lid's edge up to the band's end: of open
        lids, and of closed ones, whose lashes lie along the edge."""
        s = torch.linspace(0, 1, 96, device=device)[None, None, :].expand(1, _LASH_ROWS, -1)
        rise = torch.linspace(0, 1, _LASH_ROWS, device=device)[None, :, None].expand_as(s)
        t = self.rest.edges(s)[0] - rise * _LASH_BAND * self.width
        x, y = self._to_picture(self.rest, s, t)
        x, y = x - self.box.x0, y - self.box.y0
        there, skin = self.local.at(x, y)[0], self.skin.at(x, y)[0]
        ratio = (there / skin.clamp(min=0.02)).clamp(0.1, 1.0)
        lashes = 1 + (ratio - 1) * smoothstep(1 - rise[0], 0.0, 0.5)
        rise = rise[0] * _LASH_BAND
        # Without colour: under the edge of a lid that the fit has too low there lies the iris.
        dark = self._along((ratio.mean(0) + 9 * (rise > _CLOSED_LASHES)).amin(0)[None, None])
        closed = 1 + (dark.clamp(min=_DARKEST) - 1) * torch.exp(-((rise / (0.5 * _CLOSED_LASHES)) ** 2))
        closed = 1 + (closed - 1) * smoothstep(torch.minimum(s[0], 1 - s[0]), -0.05, 0.2)
        return torch.cat([lashes, closed.expand_as(lashes)])

    @staticmethod
    def _along(rows: Tensor) -> Tensor:
        """Rows [C,R,S] evened out along their length."""
        sigma = _EVEN * rows.shape[2]
        x = torch.arange(-round(3 * sigma), round(3 * sigma) + 1, device=rows.device)
        kernel = torch.exp(-0.5 * (x / sigma) ** 2)
        padded = F.pad(rows, (len(x) // 2, len(x) // 2), mode="replicate")
        return F.conv1d(padded.flatten(0, 1)[:, None], (kernel / kernel.sum())[None, None])[:, 0].view_as(rows)

    @staticmethod
    def _to_picture(frame: Opening, s: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        along = frame.along[:, :, None, None]
        distance = s * frame.length[:, None, None]
        x = frame.origin[:, 0, None, None] + distance * along[:, 0] - t * along[:, 1]
        y = frame.origin[:, 1, None, None] + distance * along[:, 1] + t * along[:, 0]
        return x, y

    def frame(self, vertices: Tensor, gaze: Tensor, size: tuple[int, int]) -> EyeFrame:
        """The eye in a chunk of frames.

        Args:
            vertices: [n,V,3] crop pixels.
            gaze: [n,2] turn of the eyeball from the portrait's own gaze: radians to the picture's right, and down.
            size: (h, w) of the crop.
        """
        now = opening(vertices, self.upper, self.lower)
        corners = vertices[:, torch.cat([self.upper[0], self.lower[0]]), :2]
        box = box_around(corners, 0.45 * self.width, size)
        x, y = box.pixel_centres(vertices.device)
        s, t = now.local(x, y)
        edges = now.edges(s)
        coverage = now.coverage(s, t, edges)
        scale = (self.rest.length / now.length)[:, None, None]

        # Where this point of the eye was in the portrait, then turned back by the gaze.
        rx, ry = self._to_picture(_repeat(self.rest, len(vertices)), s, t * scale)
        ball = _BALL_PER_IRIS * self.radius
        ux, uy = (rx - self.centre[0]) / ball, (ry - self.centre[1]) / ball
        reach = (ux * ux + uy * uy).sqrt().clamp(min=1e-6)
        shrink = (0.97 / reach).clamp(max=1)
        ux, uy = ux * shrink, uy * shrink
        uz = (1 - ux * ux - uy * uy).clamp(min=0).sqrt()
        yaw, pitch = gaze[:, 0, None, None], gaze[:, 1, None, None]
        vx = ux * yaw.cos() - uz * yaw.sin()
        vz = ux * yaw.sin() + uz * yaw.cos()
        vy = uy * pitch.cos() - vz * pitch.sin()
        turns = smoothstep(s, 0.02, _STILL_CORNER) * smoothstep(1 - s, 0.02, _STILL_CORNER)
        gx, gy = rx + (vx - ux) * ball * turns, ry + (vy - uy) * ball * turns
        turn = gaze.norm(dim=1) * ball

        # How far the upper edge has left its place in the portrait, as a share of the eye's width.
        moved = (now.upper * scale[:, 0] - self.rest.upper) / self.width
        lid = smoothstep(moved.abs().mean(1), 0.006, 0.04)[:, None, None]
        # An eye that neither turns nor changes its opening is the portrait's.
        active = torch.maximum(lid, smoothstep(turn, 0.05, 1.0)[:, None, None])[:, None]
        here_x, here_y = rx - self.box.x0, ry - self.box.y0
        colour = self.local.at(here_x, here_y)
        colour = colour + (self.ball.at(gx - self.box.x0, gy - self.box.y0) - colour) * active
        above = (edges[0] - t) * scale / (_LASH_BAND * self.width)
        lash = sample(
            self.lashes,
            s.clamp(0, 1) * self.lashes.shape[-1],
            above.clamp(0, 1) * (_LASH_ROWS - 1) + 0.5,
        )
        shut = 1 - smoothstep(now.height() * scale[:, 0, 0] / self.rest.height().clamp(min=1e-3), 0.05, 0.45)
        # Lids that all but meet leave no slit.
        coverage = coverage * (1 - smoothstep(shut, 0.8, 1.0))[:, None, None]
        opened, closed = lash.split(3, 1)
        lash = opened + (closed - opened) * shut[:, None, None, None]
        over = smoothstep(above, -0.35, 0.0) * smoothstep(s, -0.1, 0.0) * smoothstep(1 - s, -0.1, 0.0)
        lash = 1 + (lash - 1) * over[:, None]
        # A lid that comes down throws its shadow on the eyeball below it.
        sunk = smoothstep(moved.mean(1), 0.0, 0.05)
        shadow = 0.35 * torch.exp(-(-above).clamp(min=0) * 1.6) * sunk[:, None, None]
        return EyeFrame(box, coverage, colour * (1 - shadow)[:, None], lid.expand_as(s), shut, lash)


def _repeat(frame: Opening, count: int) -> Opening:
    return Opening(*(value.expand(count, *value.shape[1:]) for value in vars(frame).values()))
