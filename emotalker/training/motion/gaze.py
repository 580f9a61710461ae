"""Where the teacher's eyes look: mostly at the viewer, in small quick jumps, and away for a moment where speech hesitates."""

import torch
from torch import Tensor

from ...motion.gaze import GazeShifts
from ...speech.prosody import Prosody, stream

SACCADE_BASE, SACCADE_SLOPE = 0.021, 0.0022  # s, s per degree: length of a saccade (Carpenter, Movements of the Eyes, 1988)
FIXATION = (0.75, 0.55)  # s, log: median and spread of a look at one point of a face (a calm choice)
AWAY = (0.65, 0.35)  # s, log: median and spread of a look away
AWAY_AT_PAUSE = 0.45  # chance to look away at a pause inside the talk (speakers do: Kendon, Acta Psychologica 26, 1967)
AWAY_IN_TALK = 0.05  # chance that any other shift leaves the viewer
AT_VIEWER_SD = (1.3, 0.9)  # degrees, yaw and pitch: wandering between a viewer's eyes and mouth at conversation distance
AWAY_YAW, AWAY_PITCH = (5.0, 12.0), (-6.0, 5.0)  # degrees, range of a look away


def draw_gaze(prosody: Prosody, seed: int) -> GazeShifts:
    """Draw the gaze shifts of a clip.

    Args:
        prosody: rhythm of the speech; shifts away begin with its pauses, and speech brings the eyes back.
        seed: the performance's seed.
    """
    generator = stream(seed, "gaze")
    pauses = [(start, end) for start, end in prosody.pauses if start > 0.05 and end < prosody.duration - 0.05]
    now, away = 0.0, False
    times: list[float] = []
    targets: list[tuple[float, float]] = []
    while now < prosody.duration:
        uniform = torch.rand(6, generator=generator).tolist()
        normal = torch.randn(3, generator=generator).tolist()
        median, spread = AWAY if away else FIXATION
        following = now + max(0.15, median * 2.718281828 ** (spread * normal[0]))
        pause = next((p for p in pauses if now + 0.1 < p[0] <= following), None)
        hesitates = pause is not None and uniform[0] < AWAY_AT_PAUSE
        now = pause[0] if hesitates else following
        if now >= prosody.duration - 0.1:
            break
        away = hesitates or (not away and uniform[1] < AWAY_IN_TALK)
        if away:
            yaw = (AWAY_YAW[0] + (AWAY_YAW[1] - AWAY_YAW[0]) * uniform[2]) * (1 if uniform[3] < 0.5 else -1)
            target = (yaw, AWAY_PITCH[0] + (AWAY_PITCH[1] - AWAY_PITCH[0]) * uniform[4])
        else:
            target = (max(-2.5, min(2.5, AT_VIEWER_SD[0] * normal[1])), max(-2.0, min(2.0, AT_VIEWER_SD[1] * normal[2])))
        times.append(now)
        targets.append(target)
    return GazeShifts(torch.tensor(times, dtype=torch.float64), torch.tensor(targets, dtype=torch.float32).reshape(-1, 2))


def gaze_angles(shifts: GazeShifts, times: Tensor) -> Tensor:
    """[T, 2] yaw and pitch of the gaze in degrees at [T] seconds; each jump lasts 21 ms + 2.2 ms a degree."""
    if len(shifts.times) == 0:
        return torch.zeros(times.shape[0], 2)
    times = times.double().cpu()
    latest = torch.searchsorted(shifts.times, times, right=True) - 1
    known = latest >= 0
    latest = latest.clamp(min=0)
    after = shifts.targets[latest]
    before = torch.where(latest[:, None] > 0, shifts.targets[(latest - 1).clamp(min=0)], torch.zeros(1, 2))
    length = SACCADE_BASE + SACCADE_SLOPE * (after - before).norm(dim=1).double()
    share = ((times - shifts.times[latest]) / length).clamp(0, 1)
    share = (share * share * (3 - 2 * share)).float()[:, None]
    return torch.where(known[:, None], before + share * (after - before), torch.zeros(1, 2))
